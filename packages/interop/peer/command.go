package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/psrpc"
	"github.com/livekit/psrpc/pkg/client"
	"github.com/livekit/psrpc/pkg/rand"
	"github.com/livekit/psrpc/pkg/server"
)

// peer is one process under command: a client, and any number of servers.
type peer struct {
	bus      *transport
	out      *output
	service  string
	serverID string
	tracing  *tracing

	client    *client.RPCClient
	publisher *server.RPCServer // without handlers: in psrpc only a server publishes

	handles atomic.Int64 // one sequence, so that a handle means one thing only
	servers table[*testServer]
	subs    table[subscription]
	streams table[*clientStream]

	mu      sync.Mutex
	running map[int64]context.CancelFunc // by command id
	asked   map[string]int               // how often, by the text of scripts that count
}

func newPeer(bus *transport, out *output, service, serverID, clientID string, tracing *tracing) (*peer, error) {
	if clientID == "" {
		clientID = rand.NewClientID()
	}
	c, err := client.NewRPCClientWithStreams(newDefinition(service, clientID), bus, tracing.clientOptions()...)
	if err != nil {
		return nil, err
	}
	return &peer{
		bus:       bus,
		out:       out,
		service:   service,
		serverID:  serverID,
		tracing:   tracing,
		client:    c,
		publisher: server.NewRPCServer(newDefinition(service, rand.NewServerID()), bus),
		running:   map[int64]context.CancelFunc{},
		asked:     map[string]int{},
	}, bus.settle()
}

// nth counts the requests with a text, over all servers.
func (p *peer) nth(text string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[text]++
	return p.asked[text]
}

// header is embedded in the parameters of every command.
type header struct {
	ID  int64  `json:"id"`
	Cmd string `json:"cmd"`
}

type command func(ctx context.Context, line []byte) (any, error)

// answerThen is the answer of a command that has events: they come after the
// answer, which gives the handle that they carry.
type answerThen struct {
	ok   any
	then func()
}

// decoding turns a function of its parameters into a command. A field that the
// command does not have is an error: a misspelt option would change a test's meaning.
func decoding[P any](f func(context.Context, P) (any, error)) command {
	return func(ctx context.Context, line []byte) (any, error) {
		var params P
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&params); err != nil {
			return nil, psrpc.NewError(badCommand, err)
		}
		return f(ctx, params)
	}
}

func (p *peer) commands() map[string]command {
	return map[string]command{
		"info":        decoding(p.info),
		"cancel":      decoding(p.cancel),
		"serve":       decoding(p.serve),
		"register":    decoding(p.register),
		"deregister":  decoding(p.deregister),
		"setAffinity": decoding(p.setAffinity),
		"shutdown":    decoding(p.shutdown),
		"kill":        decoding(p.kill),
		"handled":     decoding(p.handled),
		"reset":       decoding(p.reset),
		"call":        decoding(p.call),
		"callRaw":     decoding(p.callRaw),
		"multi":       decoding(p.multi),
		"publish":     decoding(p.publish),
		"subscribe":   decoding(p.subscribe),
		"unsubscribe": decoding(p.unsubscribe),
		"closeClient": decoding(p.closeClient),
		"open":        decoding(p.open),
		"send":        decoding(p.send),
		"resume":      decoding(p.resume),
		"closeStream": decoding(p.closeStream),
		"spans":       decoding(p.spans),
	}
}

// run serves commands until the input ends or tells it to exit.
func (p *peer) run(input io.Reader) error {
	commands := p.commands()
	p.out.line(fields{"ready": true})

	r := bufio.NewReader(input)
	for {
		line, err := r.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			var h header
			if err := json.Unmarshal(line, &h); err != nil {
				p.out.answer(h.ID, nil, psrpc.NewError(badCommand, err))
			} else if h.Cmd == "exit" {
				p.out.answer(h.ID, nil, nil)
				return nil
			} else if cmd, ok := commands[h.Cmd]; !ok {
				p.out.answer(h.ID, nil, badCommandf("unknown command %q", h.Cmd))
			} else {
				p.start(h.ID, cmd, line)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// start registers the command before it returns, so that the very next line
// can already cancel it.
func (p *peer) start(id int64, cmd command, line []byte) {
	ctx, cancel := context.WithCancel(context.Background())
	p.mu.Lock()
	p.running[id] = cancel
	p.mu.Unlock()

	go func() {
		ok, err := cmd(ctx, line)

		p.mu.Lock()
		delete(p.running, id)
		p.mu.Unlock()
		cancel()
		if a, more := ok.(answerThen); more && err == nil {
			p.out.answer(id, a.ok, nil)
			a.then()
			return
		}
		p.out.answer(id, ok, err)
	}()
}

func (p *peer) info(context.Context, header) (any, error) {
	return fields{
		"service":  p.service,
		"clientId": p.client.ID,
		"methods":  methodNames(),
	}, nil
}

type cancelParams struct {
	header
	Call   int64 `json:"call"`
	Stream int64 `json:"stream"`
}

func (p *peer) cancel(_ context.Context, params cancelParams) (any, error) {
	if params.Stream != 0 {
		s, err := p.streams.get(params.Stream)
		if err != nil {
			return nil, err
		}
		s.cancel()
		return nil, nil
	}

	p.mu.Lock()
	cancel, ok := p.running[params.Call]
	p.mu.Unlock()
	if !ok {
		return nil, badCommandf("command %d is not running", params.Call)
	}
	cancel()
	return nil, nil
}

// topic may be given as a list, or as a string where it has one part.
type topic []string

func (t *topic) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*t = make(topic, 1)
		return json.Unmarshal(b, &(*t)[0])
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// millis is a duration in milliseconds, nil where none was given.
type millis struct{ *time.Duration }

func (m *millis) UnmarshalJSON(b []byte) error {
	var ms *float64
	if err := json.Unmarshal(b, &ms); err != nil || ms == nil {
		return err
	}
	d := time.Duration(*ms * float64(time.Millisecond))
	m.Duration = &d
	return nil
}

func (m millis) orZero() time.Duration {
	if m.Duration == nil {
		return 0
	}
	return *m.Duration
}

func toMillis(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}

// table maps handles to what they stand for.
type table[T any] struct {
	mu sync.Mutex
	m  map[int64]T
}

func (t *table[T]) put(handle int64, v T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil {
		t.m = map[int64]T{}
	}
	t.m[handle] = v
}

func (t *table[T]) get(handle int64) (T, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.m[handle]
	if !ok {
		return v, badCommandf("no such handle: %d", handle)
	}
	return v, nil
}

func (t *table[T]) remove(handle int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.m, handle)
}

func (t *table[T]) values() []T {
	t.mu.Lock()
	defer t.mu.Unlock()
	vs := make([]T, 0, len(t.m))
	for _, v := range t.m {
		vs = append(vs, v)
	}
	return vs
}
