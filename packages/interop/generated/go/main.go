// Command generated is a Go program around what psrpc's own generator makes of
// a .proto: `serve` is a server of the service, `call` a client that calls
// every method and says in JSON lines what it got.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/livekit/psrpc"
	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"
)

// The types of the topics' parameters.
type (
	roomName string
	trackID  string
)

// What is registered, and called.
const (
	region = "eu"
	room   = roomName("lobby")
	track  = trackID("t-1")
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "generated:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("serve or call?")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	kind := flags.String("bus", "redis", "redis or nats")
	url := flags.String("url", "", "address of the broker")
	limit := flags.Duration("limit", 20*time.Second, "how long calls may take in all")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	bus, err := newBus(*kind, *url)
	if err != nil {
		return err
	}

	// Whoever started the program ends it by closing its input, or by a signal.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for buffer := make([]byte, 64); ; {
			if _, err := os.Stdin.Read(buffer); err != nil {
				cancel()
				return
			}
		}
	}()

	switch args[0] {
	case "serve":
		return serve(ctx, bus)
	case "call":
		ctx, cancel := context.WithTimeout(ctx, *limit)
		defer cancel()
		return call(ctx, bus)
	default:
		return fmt.Errorf("unknown command %q", args[0])
	}
}

func newBus(kind, url string) (psrpc.MessageBus, error) {
	switch kind {
	case "redis":
		options, err := redis.ParseURL(url)
		if err != nil {
			return nil, err
		}
		options.Protocol = 2 // the RESP3 reader of go-redis loses messages
		return psrpc.NewRedisMessageBus(redis.NewClient(options)), nil
	case "nats":
		connection, err := nats.Connect(url)
		if err != nil {
			return nil, err
		}
		return psrpc.NewNatsMessageBus(connection), nil
	default:
		return nil, fmt.Errorf("unknown bus %q", kind)
	}
}

// say writes a line: what was called, and what came of it.
func say(name string, texts ...string) {
	line, _ := json.Marshal(map[string]any{"name": name, "texts": texts})
	fmt.Println(string(line))
}
