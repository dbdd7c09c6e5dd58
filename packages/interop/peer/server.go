package main

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/psrpc"
	"github.com/livekit/psrpc/pkg/middleware"
	"github.com/livekit/psrpc/pkg/rand"
	"github.com/livekit/psrpc/pkg/server"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// testServer is a psrpc server and what its handlers have seen.
type testServer struct {
	peer   *peer
	handle int64
	rpc    *server.RPCServer
	events bool

	affinity      atomic.Uint32 // bits of a float32
	affinityDelay atomic.Int64

	mu     sync.Mutex
	counts map[string]*handlerCount
}

type handlerCount struct {
	started, running, ended int
	texts                   []string
}

type serveParams struct {
	header
	ServerID    string   `json:"serverId"`
	Methods     []string `json:"methods"`
	Timeout     millis   `json:"timeoutMs"`
	ChannelSize int      `json:"channelSize"`
	Recover     *bool    `json:"recover"`
	Events      bool     `json:"events"`
	affinityParams
}

type affinityParams struct {
	Affinity      *float32 `json:"affinity"`
	AffinityDelay millis   `json:"affinityDelayMs"`
}

func (p *peer) serve(_ context.Context, params serveParams) (any, error) {
	id := params.ServerID
	if id == "" {
		id = p.serverID
	}
	if id == "" {
		id = rand.NewServerID()
	}
	opts := append(p.tracing.serverOptions(), psrpc.WithServerChannelSize(params.ChannelSize))
	if params.Timeout.Duration != nil {
		opts = append(opts, psrpc.WithServerTimeout(*params.Timeout.Duration))
	}
	if params.Recover == nil || *params.Recover {
		opts = append(opts, psrpc.WithServerRPCInterceptors(middleware.WithServerRecovery()))
	}

	s := &testServer{
		peer:   p,
		handle: p.handles.Add(1),
		rpc:    server.NewRPCServer(newDefinition(p.service, id), p.bus, opts...),
		events: params.Events,
		counts: map[string]*handlerCount{},
	}
	s.affinity.Store(math.Float32bits(1))
	s.setAffinity(params.affinityParams)

	names := params.Methods
	if names == nil {
		for _, m := range methods {
			if !m.topics && m.kind != kindSubscription {
				names = append(names, m.name)
			}
		}
	}
	for _, name := range names {
		if err := s.register(name, nil); err != nil {
			s.rpc.Close(true)
			return nil, err
		}
	}
	p.servers.put(s.handle, s)
	return fields{"server": s.handle, "serverId": id}, p.bus.settle()
}

func (s *testServer) setAffinity(params affinityParams) {
	if params.Affinity != nil {
		s.affinity.Store(math.Float32bits(*params.Affinity))
	}
	if params.AffinityDelay.Duration != nil {
		s.affinityDelay.Store(int64(*params.AffinityDelay.Duration))
	}
}

func (s *testServer) claimAffinity(ctx context.Context, _ *wrapperspb.StringValue) float32 {
	return s.streamAffinity(ctx)
}

func (s *testServer) streamAffinity(context.Context) float32 {
	time.Sleep(time.Duration(s.affinityDelay.Load()))
	return math.Float32frombits(s.affinity.Load())
}

func (s *testServer) register(name string, topic []string) error {
	m, err := findMethod(name, kindUnary, kindMulti, kindStream)
	if err != nil {
		return err
	}
	if m.topics && topic == nil {
		return badCommandf("%s takes a topic: use register", name)
	}
	if m.kind == kindStream {
		var affinity server.StreamAffinityFunc
		if m.affinity {
			affinity = s.streamAffinity
		}
		return server.RegisterStreamHandler(s.rpc, name, topic, s.streamHandler(name), affinity)
	}
	var affinity server.AffinityFunc[*wrapperspb.StringValue]
	if m.affinity {
		affinity = s.claimAffinity
	}
	// proto.Message and not StringValue as the response, for answers that are none.
	return server.RegisterHandler[*wrapperspb.StringValue, proto.Message](s.rpc, name, topic, s.handler(name), affinity)
}

func (s *testServer) handler(name string) func(context.Context, *wrapperspb.StringValue) (proto.Message, error) {
	return func(ctx context.Context, req *wrapperspb.StringValue) (proto.Message, error) {
		done := s.started(name, req.GetValue())
		defer func() { done(ctx.Err() != nil) }()
		return runScript(ctx, s.peer, s.rpc.ID, name, req.GetValue())
	}
}

func (s *testServer) count(name string, f func(*handlerCount)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.counts[name]
	if !ok {
		c = &handlerCount{}
		s.counts[name] = c
	}
	f(c)
}

// started counts a handler in; what it returns counts it out.
func (s *testServer) started(name, text string) (done func(ended bool)) {
	s.count(name, func(c *handlerCount) {
		c.started++
		c.running++
		c.texts = append(c.texts, text)
	})
	if s.events {
		s.peer.out.event("handling", fields{"server": s.handle, "method": name, "text": text})
	}
	return func(ended bool) {
		s.count(name, func(c *handlerCount) {
			c.running--
			if ended {
				c.ended++
			}
		})
	}
}

type registerParams struct {
	header
	Server int64  `json:"server"`
	Method string `json:"method"`
	Topic  topic  `json:"topic"`
}

func (p *peer) register(_ context.Context, params registerParams) (any, error) {
	s, err := p.servers.get(params.Server)
	if err != nil {
		return nil, err
	}
	if err := s.register(params.Method, params.Topic); err != nil {
		return nil, err
	}
	return nil, p.bus.settle()
}

func (p *peer) deregister(_ context.Context, params registerParams) (any, error) {
	s, err := p.servers.get(params.Server)
	if err != nil {
		return nil, err
	}
	if _, err := findMethod(params.Method, kindUnary, kindMulti, kindStream); err != nil {
		return nil, err
	}
	s.rpc.DeregisterHandler(params.Method, params.Topic)
	return nil, p.bus.settle()
}

type setAffinityParams struct {
	header
	Server int64 `json:"server"`
	affinityParams
}

func (p *peer) setAffinity(_ context.Context, params setAffinityParams) (any, error) {
	s, err := p.servers.get(params.Server)
	if err != nil {
		return nil, err
	}
	s.setAffinity(params.affinityParams)
	return nil, nil
}

type serverParams struct {
	header
	Server int64 `json:"server"`
	Texts  bool  `json:"texts"`
}

func (p *peer) shutdown(_ context.Context, params serverParams) (any, error) {
	return p.closeServer(params.Server, false)
}

func (p *peer) kill(_ context.Context, params serverParams) (any, error) {
	return p.closeServer(params.Server, true)
}

// closeServer keeps the handle: what the server has handled can still be asked.
func (p *peer) closeServer(handle int64, force bool) (any, error) {
	s, err := p.servers.get(handle)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	s.rpc.Close(force)
	return fields{"ms": toMillis(time.Since(start))}, p.bus.settle()
}

// selectServers gives the server of a handle, or all of them for handle 0.
func (p *peer) selectServers(handle int64) ([]*testServer, error) {
	if handle == 0 {
		return p.servers.values(), nil
	}
	s, err := p.servers.get(handle)
	return []*testServer{s}, err
}

type handledAnswer struct {
	Counts  map[string]int      `json:"counts"`
	Running map[string]int      `json:"running"`
	Ended   map[string]int      `json:"ended"`
	Texts   map[string][]string `json:"texts,omitempty"`
}

func (p *peer) handled(_ context.Context, params serverParams) (any, error) {
	servers, err := p.selectServers(params.Server)
	if err != nil {
		return nil, err
	}
	a := handledAnswer{Counts: map[string]int{}, Running: map[string]int{}, Ended: map[string]int{}, Texts: map[string][]string{}}
	for _, s := range servers {
		s.mu.Lock()
		for name, c := range s.counts {
			a.Counts[name] += c.started
			a.Running[name] += c.running
			a.Ended[name] += c.ended
			if params.Texts {
				a.Texts[name] = append(a.Texts[name], c.texts...)
			}
		}
		s.mu.Unlock()
	}
	return a, nil
}

// reset forgets what was counted, but for the handlers that still run.
func (p *peer) reset(_ context.Context, params serverParams) (any, error) {
	servers, err := p.selectServers(params.Server)
	if err != nil {
		return nil, err
	}
	for _, s := range servers {
		s.mu.Lock()
		for _, c := range s.counts {
			*c = handlerCount{running: c.running}
		}
		s.mu.Unlock()
	}
	return nil, nil
}
