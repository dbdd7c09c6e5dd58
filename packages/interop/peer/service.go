package main

import "github.com/livekit/psrpc/pkg/info"

type kind string

const (
	kindUnary        kind = "unary"
	kindMulti        kind = "multi"
	kindStream       kind = "stream"
	kindSubscription kind = "subscription"
)

// method is what protoc-gen-psrpc would take from the options of an rpc. All
// methods take and return google.protobuf.StringValue.
type method struct {
	name     string
	kind     kind
	topics   bool
	affinity bool
	multi    bool
	claim    bool
	queue    bool
}

var methods = []method{
	{name: "Echo", kind: kindUnary, claim: true, queue: true},
	{name: "Raw", kind: kindUnary, claim: true, queue: true},
	{name: "Work", kind: kindUnary, claim: true, affinity: true},
	{name: "Reload", kind: kindUnary, topics: true, queue: true}, // single_server
	{name: "Regional", kind: kindUnary, topics: true, claim: true, queue: true},
	{name: "Stats", kind: kindMulti, topics: true, multi: true},
	{name: "StatsAll", kind: kindMulti, multi: true},
	{name: "Chat", kind: kindStream, claim: true, queue: true},
	{name: "Room", kind: kindStream, topics: true, claim: true, queue: true},
	{name: "Match", kind: kindStream, claim: true, affinity: true},
	{name: "Terminal", kind: kindStream, topics: true, queue: true}, // single_server
	{name: "JobDone", kind: kindSubscription, claim: true, queue: true},
	{name: "JobDoneIn", kind: kindSubscription, topics: true, claim: true, queue: true},
	{name: "RegionChanged", kind: kindSubscription, topics: true, multi: true},
}

// newDefinition makes what psrpc's generated constructors make.
func newDefinition(service, id string) *info.ServiceDefinition {
	sd := &info.ServiceDefinition{Name: service, ID: id}
	for _, m := range methods {
		sd.RegisterMethod(m.name, m.affinity, m.multi, m.claim, m.queue)
	}
	return sd
}

func methodNames() []string {
	names := make([]string, len(methods))
	for i, m := range methods {
		names[i] = m.name
	}
	return names
}

// findMethod has to come before any use of a name: psrpc panics on one that it
// does not know.
func findMethod(name string, kinds ...kind) (method, error) {
	for _, m := range methods {
		if m.name != name {
			continue
		}
		for _, k := range kinds {
			if m.kind == k {
				return m, nil
			}
		}
		return m, badCommandf("%s is a %s method", name, m.kind)
	}
	return method{}, badCommandf("unknown method %q", name)
}
