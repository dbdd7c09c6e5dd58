package main

import (
	"context"
	"fmt"
	"time"

	"github.com/livekit/psrpc"
	"github.com/livekit/psrpc/pkg/rand"
	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"
)

const settleTimeout = 5 * time.Second

// transport is a psrpc bus and what psrpc leaves out of it: psrpc subscribes in
// the background, and a test has to know when a subscription is in force.
type transport struct {
	psrpc.MessageBus

	settle func() error
	close  func()
}

func newTransport(kind, url string) (*transport, error) {
	switch kind {
	case "redis":
		return newRedisTransport(url)
	case "nats":
		return newNATSTransport(url)
	case "local":
		return &transport{
			MessageBus: psrpc.NewLocalMessageBus(),
			settle:     func() error { return nil },
			close:      func() {},
		}, nil
	default:
		return nil, fmt.Errorf("unknown bus %q", kind)
	}
}

func newRedisTransport(url string) (*transport, error) {
	if url == "" {
		url = "redis://127.0.0.1:6379"
	}
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	opts.Protocol = 2 // the RESP3 reader of go-redis loses messages
	rc := redis.NewClient(opts)

	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	if err := rc.Ping(ctx).Err(); err != nil {
		_ = rc.Close()
		return nil, err
	}

	bus := psrpc.NewRedisMessageBus(rc)
	return &transport{
		MessageBus: bus,
		settle:     func() error { return settleRedis(rc, bus) },
		// psrpc publishes in the background and cannot be asked whether it is
		// done. The connections are left to the end of the process: psrpc's
		// reader would complain about their loss for ever.
		close: func() { time.Sleep(100 * time.Millisecond) },
	}, nil
}

// settleRedis waits until every earlier (un)subscription has reached Redis.
// psrpc sends them in order, subscriptions of a batch first, so a channel that
// comes and goes behind them proves it.
func settleRedis(rc *redis.Client, bus psrpc.MessageBus) error {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()

	channel := "BARRIER|" + rand.NewString()
	barrier, err := bus.Subscribe(ctx, psrpc.Channel{Legacy: channel}, 1)
	if err != nil {
		return err
	}
	await := func(subscribers int64) error {
		for {
			counts, err := rc.PubSubNumSub(ctx, channel).Result()
			if err != nil {
				return fmt.Errorf("subscriptions did not settle: %w", err)
			}
			if counts[channel] == subscribers {
				return nil
			}
			time.Sleep(200 * time.Microsecond)
		}
	}

	err = await(1)
	_ = barrier.Close()
	if err != nil {
		return err
	}
	return await(0)
}

func newNATSTransport(url string) (*transport, error) {
	if url == "" {
		url = nats.DefaultURL
	}
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		return nil, err
	}
	return &transport{
		MessageBus: psrpc.NewNatsMessageBus(nc),
		settle:     func() error { return nc.FlushTimeout(settleTimeout) },
		close: func() {
			_ = nc.FlushTimeout(time.Second)
			nc.Close()
		},
	}, nil
}
