package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/livekit/psrpc"
	"github.com/livekit/psrpc/pkg/middleware/otelpsrpc"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

var samplers = map[string]sdktrace.Sampler{
	"always": sdktrace.AlwaysSample(),
	"never":  sdktrace.NeverSample(),
	"parent": sdktrace.ParentBased(sdktrace.AlwaysSample()),
}

// tracing is otelpsrpc in a peer that traces, and the spans that have ended.
// A nil one is that of a peer that does not.
type tracing struct {
	config otelpsrpc.Config

	mu    sync.Mutex
	ended []sdktrace.ReadOnlySpan
}

// newTracing makes what a peer traces with; an empty name is for none.
func newTracing(sampler string) (*tracing, error) {
	if sampler == "" {
		return nil, nil
	}
	s, ok := samplers[sampler]
	if !ok {
		return nil, fmt.Errorf("no such sampler: %q", sampler)
	}
	t := &tracing{}
	t.config.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSampler(s), sdktrace.WithSpanProcessor(t))
	return t, nil
}

func (t *tracing) clientOptions() []psrpc.ClientOption {
	if t == nil {
		return nil
	}
	return []psrpc.ClientOption{otelpsrpc.ClientOptions(t.config)}
}

func (t *tracing) serverOptions() []psrpc.ServerOption {
	if t == nil {
		return nil
	}
	return []psrpc.ServerOption{otelpsrpc.ServerOptions(t.config)}
}

// OnEnd and the rest make it a SpanProcessor.
func (t *tracing) OnEnd(span sdktrace.ReadOnlySpan) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = append(t.ended, span)
}

func (t *tracing) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (t *tracing) Shutdown(context.Context) error                  { return nil }
func (t *tracing) ForceFlush(context.Context) error                { return nil }

// within makes a context of what came with a request from elsewhere.
func within(ctx context.Context, trace map[string]string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier(trace))
}

type spanJSON struct {
	Name       string         `json:"name"`
	Kind       string         `json:"kind"`
	TraceID    string         `json:"traceId"`
	SpanID     string         `json:"spanId"`
	ParentID   string         `json:"parentId,omitempty"`
	TraceState string         `json:"traceState,omitempty"`
	Failed     bool           `json:"failed"`
	Attributes map[string]any `json:"attributes"`
}

// spans gives the spans that have ended.
func (p *peer) spans(context.Context, header) (any, error) {
	list := []spanJSON{}
	if p.tracing == nil {
		return list, nil
	}
	p.tracing.mu.Lock()
	defer p.tracing.mu.Unlock()
	for _, span := range p.tracing.ended {
		s := spanJSON{
			Name:       span.Name(),
			Kind:       span.SpanKind().String(),
			TraceID:    span.SpanContext().TraceID().String(),
			SpanID:     span.SpanContext().SpanID().String(),
			TraceState: span.SpanContext().TraceState().String(),
			Failed:     span.Status().Code.String() == "Error",
			Attributes: map[string]any{},
		}
		if span.Parent().IsValid() {
			s.ParentID = span.Parent().SpanID().String()
		}
		for _, a := range span.Attributes() {
			s.Attributes[string(a.Key)] = a.Value.AsInterface()
		}
		list = append(list, s)
	}
	return list, nil
}
