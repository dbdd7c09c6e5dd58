package main

import (
	"context"
	"fmt"

	"github.com/livekit/psrpc"
	"github.com/livekit/psrpc/pkg/info"
	"github.com/livekit/psrpc/pkg/rand"
	"github.com/livekit/psrpc/pkg/server"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type (
	bytesValue        = wrapperspb.BytesValue
	bytesServerStream = psrpc.ServerStream[*bytesValue, *bytesValue]
)

var claimlessTopic = []string{"t1"}

func newBenchDefinition(id string) *info.ServiceDefinition {
	sd := &info.ServiceDefinition{Name: "Bench", ID: id}
	//                name, affinity, multi, claim, queue
	sd.RegisterMethod("Unary", false, false, true, true)
	sd.RegisterMethod("Claimless", false, false, false, true)
	sd.RegisterMethod("Affinity", true, false, true, false)
	sd.RegisterMethod("Multi", false, true, false, false)
	sd.RegisterMethod("Updates", false, true, false, false)
	sd.RegisterMethod("PingPong", false, false, true, true)
	sd.RegisterMethod("OneWay", false, false, true, true)
	return sd
}

// startBenchServers registers all methods on every server, as a member of a
// NATS queue group swallows what it has no route for.
func startBenchServers(bus *transport, o benchOptions) error {
	for i := range o.servers {
		s := server.NewRPCServer(newBenchDefinition(rand.NewServerID()), bus, psrpc.WithServerChannelSize(o.channelSize))
		register := func(name string, topic []string, affinity server.AffinityFunc[*bytesValue]) error {
			return server.RegisterHandler(s, name, topic, echoBytes, affinity)
		}
		half := func(context.Context, *bytesValue) float32 { return 0.5 }

		errs := []error{
			register("Unary", nil, nil),
			register("Affinity", nil, half),
			register("Multi", nil, nil),
			server.RegisterStreamHandler(s, "PingPong", nil, pingPong, nil),
			server.RegisterStreamHandler(s, "OneWay", nil, oneWay, nil),
		}
		if i == 0 { // one server a topic is what makes claims needless
			errs = append(errs, register("Claimless", claimlessTopic, nil))
		}
		for _, err := range errs {
			if err != nil {
				return fmt.Errorf("register: %w", err)
			}
		}
	}
	return bus.settle()
}

func echoBytes(_ context.Context, req *bytesValue) (*bytesValue, error) {
	return req, nil
}

func pingPong(st bytesServerStream) error {
	for msg := range st.Channel() {
		if err := st.Send(msg); err != nil {
			return err
		}
	}
	return nil
}

func oneWay(st bytesServerStream) error {
	for range st.Channel() {
	}
	return nil
}
