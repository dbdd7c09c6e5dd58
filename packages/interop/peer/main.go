// Command peer is a Go psrpc peer for interop tests: it serves and calls on
// behalf of whoever writes commands to its stdin. `peer bench` measures psrpc
// itself. README.md has the protocol.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/go-logr/logr/funcr"
	"github.com/livekit/psrpc"
)

func main() {
	run, args := runPeer, os.Args[1:]
	if len(args) > 0 && args[0] == "bench" {
		run, args = runBench, args[1:]
	}
	if err := run(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func runPeer(args []string) error {
	fs := flag.NewFlagSet("peer", flag.ContinueOnError)
	kind := fs.String("bus", "redis", "redis, nats, or local for a peer on its own")
	url := fs.String("url", "", "address of the bus (its usual one if empty)")
	service := fs.String("service", "Interop", "name of the service")
	serverID := fs.String("server-id", "", "id of servers whose command gives none")
	clientID := fs.String("client-id", "", "id of the client")
	sampler := fs.String("trace", "", "trace with otelpsrpc: always, never, or parent (as the caller does)")
	if err := fs.Parse(args); err != nil {
		return err
	}
	tracing, err := newTracing(*sampler)
	if err != nil {
		return err
	}

	// Stdout belongs to the protocol, everything else goes to stderr. A bench
	// leaves psrpc silent, as it is by default.
	psrpc.SetLogger(funcr.New(func(_, args string) {
		fmt.Fprintln(os.Stderr, "psrpc", args)
	}, funcr.Options{}))

	bus, err := newTransport(*kind, *url)
	if err != nil {
		return err
	}
	defer bus.close()

	p, err := newPeer(bus, newOutput(os.Stdout), *service, *serverID, *clientID, tracing)
	if err != nil {
		return err
	}
	return p.run(os.Stdin)
}
