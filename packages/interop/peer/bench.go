package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

type benchOptions struct {
	bus, url, role, mode          string
	concurrency, payload, servers int
	channelSize                   int
	warmup, duration              time.Duration
	maximumAffinity               float64
}

type benchResult struct {
	Peer        string  `json:"peer"`
	Bus         string  `json:"bus"`
	Mode        string  `json:"mode"`
	Concurrency int     `json:"concurrency"`
	Payload     int     `json:"payload"`
	OpsPerSec   float64 `json:"ops_per_sec"`
	P50         float64 `json:"p50_us"`
	P99         float64 `json:"p99_us"`
	Errors      int     `json:"errors"`
	RSS         float64 `json:"rss_mb"`
}

func runBench(args []string) error {
	var o benchOptions
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&o.bus, "bus", "local", "local, redis or nats")
	fs.StringVar(&o.url, "url", "", "address of the bus (its usual one if empty)")
	fs.StringVar(&o.role, "role", "both", "both, server or client")
	fs.StringVar(&o.mode, "mode", "unary", strings.Join(benchModeNames(), ", "))
	fs.IntVar(&o.concurrency, "concurrency", 64, "calls in flight")
	fs.IntVar(&o.payload, "payload", 128, "bytes in a request and in its answer")
	fs.IntVar(&o.servers, "servers", 1, "servers in the server role, answers that a multi call waits for")
	fs.DurationVar(&o.warmup, "warmup", 1500*time.Millisecond, "time before anything is measured")
	fs.DurationVar(&o.duration, "duration", 4*time.Second, "time that is measured")
	fs.IntVar(&o.channelSize, "channel-size", 100, "messages in each buffer of psrpc, which has 100")
	fs.Float64Var(&o.maximumAffinity, "max-affinity", 0, "affinity mode: take a claim of this affinity at once")
	if err := fs.Parse(args); err != nil {
		return err
	}
	mode, ok := benchModes[o.mode]
	if !ok {
		return fmt.Errorf("unknown mode %q", o.mode)
	}
	if o.concurrency < 1 || o.servers < 1 || o.payload < mode.minPayload {
		return fmt.Errorf("concurrency and servers must be at least 1, the payload of mode %s %d bytes", o.mode, mode.minPayload)
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	switch o.role {
	case "server":
		return benchServer(ctx, o)
	case "client", "both":
		result, err := benchClient(ctx, o, mode)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(result)
	default:
		return fmt.Errorf("unknown role %q", o.role)
	}
}

func benchServer(ctx context.Context, o benchOptions) error {
	if o.bus == "local" {
		return fmt.Errorf("the local bus has both roles in one process")
	}
	bus, err := newTransport(o.bus, o.url)
	if err != nil {
		return err
	}
	defer bus.close()
	if err := startBenchServers(bus, o); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "ready")

	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	<-ctx.Done()
	return nil
}

func benchClient(ctx context.Context, o benchOptions, mode benchMode) (*benchResult, error) {
	bus, err := newTransport(o.bus, o.url)
	if err != nil {
		return nil, err
	}
	defer bus.close()

	// The other end has a connection of its own, as it has in another process.
	other := bus
	if o.bus != "local" && (o.role == "both" || mode.ownSubscriber) {
		if other, err = newTransport(o.bus, o.url); err != nil {
			return nil, err
		}
		defer other.close()
	}
	if o.role == "both" {
		if err := startBenchServers(other, o); err != nil {
			return nil, err
		} else if err := other.settle(); err != nil {
			return nil, err
		}
	} else if o.bus == "local" {
		return nil, fmt.Errorf("the local bus has both roles in one process")
	}

	operations, err := mode.prepare(ctx, o, bus, other)
	if err != nil {
		return nil, err
	}
	return measure(ctx, o, operations), nil
}

// operation does one call and checks its answer.
type operation func(context.Context) error

// measure is a closed loop: each operation runs again as soon as it is done.
// Counted are those that begin and end in the measured time. A failure counts
// also when it comes later, or a run in which nothing gets through would look
// like one without errors.
func measure(ctx context.Context, o benchOptions, operations []operation) *benchResult {
	from := time.Now().Add(o.warmup)
	to := from.Add(o.duration)

	var mu sync.Mutex
	var latencies []time.Duration
	failed := 0
	var firstError error

	var wg sync.WaitGroup
	for _, op := range operations {
		wg.Go(func() {
			own := make([]time.Duration, 0, 1<<14)
			var ownErrors int
			var ownError error
			for ctx.Err() == nil {
				start := time.Now()
				if start.After(to) {
					break
				}
				err := op(ctx)
				end := time.Now()
				switch {
				case end.Before(from):
				case err != nil:
					ownErrors++
					ownError = err
				case start.After(from) && end.Before(to):
					own = append(own, end.Sub(start))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, own...)
			failed += ownErrors
			if firstError == nil {
				firstError = ownError
			}
		})
	}
	wg.Wait()

	if firstError != nil {
		fmt.Fprintln(os.Stderr, "bench: one of the errors:", firstError)
	}
	slices.Sort(latencies)
	return &benchResult{
		Peer:        "psrpc-go",
		Bus:         o.bus,
		Mode:        o.mode,
		Concurrency: o.concurrency,
		Payload:     o.payload,
		OpsPerSec:   round(float64(len(latencies)) / o.duration.Seconds()),
		P50:         quantile(latencies, 0.50),
		P99:         quantile(latencies, 0.99),
		Errors:      failed,
		RSS:         residentMB(),
	}
}

func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return round(float64(sorted[int(q*float64(len(sorted)-1))].Nanoseconds()) / 1000)
}

// round keeps one decimal: more would be noise.
func round(v float64) float64 {
	return math.Round(v*10) / 10
}

// residentMB is 0 where there is no /proc.
func residentMB() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return round(kb / 1024)
		}
	}
	return 0
}
