package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/livekit/psrpc"
	"github.com/livekit/psrpc/pkg/client"
	psrpcrand "github.com/livekit/psrpc/pkg/rand"
	"github.com/livekit/psrpc/pkg/server"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// deliveryTimeout is that of a psrpc call: updates have none of their own.
const deliveryTimeout = psrpc.DefaultClientTimeout

type benchMode struct {
	minPayload    int
	ownSubscriber bool // needs a second connection in the client role, too
	prepare       func(ctx context.Context, o benchOptions, bus, other *transport) ([]operation, error)
}

var benchModes = map[string]benchMode{
	"unary":        {prepare: prepareUnary("Unary", nil)},
	"claimless":    {prepare: prepareUnary("Claimless", claimlessTopic)},
	"affinity":     {prepare: prepareUnary("Affinity", nil)},
	"multi":        {prepare: prepareMulti},
	"subscription": {prepare: prepareSubscription, minPayload: 8, ownSubscriber: true},
	"pingpong":     {prepare: prepareStream("PingPong", true)},
	"oneway":       {prepare: prepareStream("OneWay", false)},
}

func benchModeNames() []string {
	return slices.Sorted(maps.Keys(benchModes))
}

func newBenchClient(bus *transport, o benchOptions) (*client.RPCClient, error) {
	c, err := client.NewRPCClientWithStreams(newBenchDefinition(psrpcrand.NewClientID()), bus, psrpc.WithClientChannelSize(o.channelSize))
	if err != nil {
		return nil, err
	}
	return c, bus.settle()
}

func newPayload(size int) *bytesValue {
	b := make([]byte, size)
	_, _ = rand.Read(b)
	return wrapperspb.Bytes(b)
}

func checkLength(got *bytesValue, want int) error {
	if n := len(got.GetValue()); n != want {
		return fmt.Errorf("%d bytes instead of %d", n, want)
	}
	return nil
}

func prepareUnary(method string, topic []string) func(context.Context, benchOptions, *transport, *transport) ([]operation, error) {
	return func(_ context.Context, o benchOptions, bus, _ *transport) ([]operation, error) {
		c, err := newBenchClient(bus, o)
		if err != nil {
			return nil, err
		}
		payload := newPayload(o.payload)
		var opts []psrpc.RequestOption
		if method == "Affinity" && o.maximumAffinity > 0 {
			opts = append(opts, psrpc.WithSelectionOpts(psrpc.SelectionOpts{
				MaximumAffinity:     float32(o.maximumAffinity),
				AffinityTimeout:     psrpc.DefaultAffinityTimeout,
				ShortCircuitTimeout: psrpc.DefaultAffinityShortCircuit,
			}))
		}
		op := func(ctx context.Context) error {
			res, err := client.RequestSingle[*bytesValue](ctx, c, method, topic, payload, opts...)
			if err != nil {
				return err
			}
			return checkLength(res, o.payload)
		}
		return slices.Repeat([]operation{op}, o.concurrency), nil
	}
}

// prepareMulti takes a call as done with the last of the expected answers. To
// cancel it then is the only way to end a multi call before its timeout.
func prepareMulti(_ context.Context, o benchOptions, bus, _ *transport) ([]operation, error) {
	c, err := newBenchClient(bus, o)
	if err != nil {
		return nil, err
	}
	payload := newPayload(o.payload)
	op := func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		responses, err := client.RequestMulti[*bytesValue](ctx, c, "Multi", nil, payload)
		if err != nil {
			return err
		}
		for i := range o.servers {
			res, ok := <-responses
			if !ok {
				return fmt.Errorf("%d answers instead of %d", i, o.servers)
			} else if res.Err != nil {
				return res.Err
			} else if err := checkLength(res.Result, o.payload); err != nil {
				return err
			}
		}
		return nil
	}
	return slices.Repeat([]operation{op}, o.concurrency), nil
}

// prepareSubscription publishes on one connection and subscribes on another.
// An operation is done when its own update has arrived there; the first bytes
// of an update say whose it is.
func prepareSubscription(ctx context.Context, o benchOptions, bus, other *transport) ([]operation, error) {
	subscriber, err := newBenchClient(other, o)
	if err != nil {
		return nil, err
	}
	sub, err := client.Join[*bytesValue](context.Background(), subscriber, "Updates", nil)
	if err != nil {
		return nil, err
	} else if err := other.settle(); err != nil {
		return nil, err
	}

	arrivals := make([]chan *bytesValue, o.concurrency)
	for i := range arrivals {
		arrivals[i] = make(chan *bytesValue, 16)
	}
	go func() {
		for msg := range sub.Channel() {
			if len(msg.GetValue()) < 8 {
				continue
			}
			if i := binary.BigEndian.Uint32(msg.GetValue()); i < uint32(len(arrivals)) {
				select {
				case arrivals[i] <- msg:
				case <-ctx.Done():
					return
				}
			}
		}
	}()

	publisher := server.NewRPCServer(newBenchDefinition(psrpcrand.NewServerID()), bus)
	operations := make([]operation, o.concurrency)
	for i := range operations {
		payload := newPayload(o.payload)
		binary.BigEndian.PutUint32(payload.Value, uint32(i))
		var sequence uint32

		operations[i] = func(ctx context.Context) error {
			sequence++
			binary.BigEndian.PutUint32(payload.Value[4:], sequence)
			if err := publisher.Publish(ctx, "Updates", nil, payload); err != nil {
				return err
			}
			timeout := time.NewTimer(deliveryTimeout)
			defer timeout.Stop()
			for {
				select {
				case msg := <-arrivals[i]:
					if binary.BigEndian.Uint32(msg.GetValue()[4:]) != sequence {
						continue // one that had timed out
					}
					return checkLength(msg, o.payload)
				case <-timeout.C:
					return psrpc.ErrRequestTimedOut
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
	}
	return operations, nil
}

// prepareStream opens a stream for each operation. A send completes with the
// ack; a ping is done with the message that comes back.
func prepareStream(method string, echo bool) func(context.Context, benchOptions, *transport, *transport) ([]operation, error) {
	return func(ctx context.Context, o benchOptions, bus, _ *transport) ([]operation, error) {
		c, err := newBenchClient(bus, o)
		if err != nil {
			return nil, err
		}
		payload := newPayload(o.payload)
		operations := make([]operation, o.concurrency)
		for i := range operations {
			st, err := client.OpenStream[*bytesValue, *bytesValue](ctx, c, method, nil)
			if err != nil {
				return nil, err
			}
			operations[i] = func(ctx context.Context) error {
				if err := st.Send(payload); err != nil || !echo {
					return err
				}
				timeout := time.NewTimer(deliveryTimeout)
				defer timeout.Stop()
				select {
				case msg, ok := <-st.Channel():
					if !ok {
						return st.Err()
					}
					return checkLength(msg, o.payload)
				case <-timeout.C:
					return psrpc.ErrRequestTimedOut
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		return operations, nil
	}
}
