package main

import (
	"context"
	"time"

	"github.com/livekit/psrpc"
	"github.com/livekit/psrpc/pkg/client"
	"github.com/livekit/psrpc/pkg/metadata"
	"github.com/livekit/psrpc/pkg/middleware"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type selectionParams struct {
	MinimumAffinity      float32 `json:"minimumAffinity"`
	MaximumAffinity      float32 `json:"maximumAffinity"`
	AcceptFirstAvailable bool    `json:"acceptFirstAvailable"`
	AffinityTimeout      millis  `json:"affinityTimeoutMs"`
	ShortCircuitTimeout  millis  `json:"shortCircuitTimeoutMs"`
}

// requestParams are those of everything that starts with a request.
type requestParams struct {
	Method    string            `json:"method"`
	Topic     topic             `json:"topic"`
	Timeout   millis            `json:"timeoutMs"`  // psrpc.WithRequestTimeout
	Deadline  millis            `json:"deadlineMs"` // of the caller's context
	Metadata  map[string]string `json:"metadata"`
	Trace     map[string]string `json:"trace"` // traceparent and tracestate that the caller's context has
	Selection *selectionParams  `json:"selection"`
	Retry     *retryParams      `json:"retry"`
}

// retryParams are those of psrpc's own retries.
type retryParams struct {
	MaxAttempts int    `json:"maxAttempts"`
	Timeout     millis `json:"timeoutMs"` // of the first attempt
	Backoff     millis `json:"backoffMs"` // by how much longer each may take
}

func (r requestParams) options() []psrpc.RequestOption {
	var opts []psrpc.RequestOption
	if r.Timeout.Duration != nil {
		opts = append(opts, psrpc.WithRequestTimeout(*r.Timeout.Duration))
	}
	if s := r.Selection; s != nil {
		opts = append(opts, psrpc.WithSelectionOpts(psrpc.SelectionOpts{
			MinimumAffinity:      s.MinimumAffinity,
			MaximumAffinity:      s.MaximumAffinity,
			AcceptFirstAvailable: s.AcceptFirstAvailable,
			AffinityTimeout:      s.AffinityTimeout.orZero(),
			ShortCircuitTimeout:  s.ShortCircuitTimeout.orZero(),
		}))
	}
	if r.Retry != nil {
		opts = append(opts, psrpc.WithRequestInterceptors(middleware.NewRPCRetryInterceptor(middleware.RetryOptions{
			MaxAttempts: r.Retry.MaxAttempts,
			Timeout:     r.Retry.Timeout.orZero(),
			Backoff:     r.Retry.Backoff.orZero(),
		})))
	}
	return opts
}

func (r requestParams) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.Metadata != nil {
		ctx = metadata.NewContextWithOutgoingMetadata(ctx, r.Metadata)
	}
	if r.Trace != nil {
		ctx = within(ctx, r.Trace)
	}
	if r.Deadline.Duration != nil {
		return context.WithTimeout(ctx, *r.Deadline.Duration)
	}
	return context.WithCancel(ctx)
}

type callParams struct {
	header
	requestParams
	Request string `json:"request"`
}

func (p *peer) call(ctx context.Context, params callParams) (any, error) {
	if _, err := findMethod(params.Method, kindUnary); err != nil {
		return nil, err
	}
	ctx, cancel := params.context(ctx)
	defer cancel()

	start := time.Now()
	res, err := client.RequestSingle[*wrapperspb.StringValue](
		ctx, p.client, params.Method, params.Topic, wrapperspb.String(params.Request), params.options()...,
	)
	if err != nil {
		return nil, err
	}
	return fields{"text": res.GetValue(), "ms": toMillis(time.Since(start))}, nil
}

type callRawParams struct {
	header
	requestParams
	Base64 []byte `json:"base64"`
}

func (p *peer) callRaw(ctx context.Context, params callRawParams) (any, error) {
	if _, err := findMethod(params.Method, kindUnary); err != nil {
		return nil, err
	}
	ctx, cancel := params.context(ctx)
	defer cancel()

	start := time.Now()
	res, err := client.RequestSingle[*emptypb.Empty](
		ctx, p.client, params.Method, params.Topic, rawMessage(params.Base64), params.options()...,
	)
	if err != nil {
		return nil, err
	}
	raw := []byte(res.ProtoReflect().GetUnknown())
	ok := fields{"base64": append([]byte{}, raw...), "ms": toMillis(time.Since(start))}
	text := &wrapperspb.StringValue{}
	if proto.Unmarshal(raw, text) == nil {
		ok["text"] = text.GetValue()
	}
	return ok, nil
}

type multiResponse struct {
	Text  *string    `json:"text,omitempty"`
	Error *errorJSON `json:"error,omitempty"`
	Ms    float64    `json:"ms"`
}

// multi answers when psrpc closes the responses: at the timeout, or when cancelled.
func (p *peer) multi(ctx context.Context, params callParams) (any, error) {
	if _, err := findMethod(params.Method, kindMulti); err != nil {
		return nil, err
	}
	ctx, cancel := params.context(ctx)
	defer cancel()

	start := time.Now()
	responses, err := client.RequestMulti[*wrapperspb.StringValue](
		ctx, p.client, params.Method, params.Topic, wrapperspb.String(params.Request), params.options()...,
	)
	if err != nil {
		return nil, err
	}
	list := []multiResponse{}
	for res := range responses {
		r := multiResponse{Error: toErrorJSON(res.Err), Ms: toMillis(time.Since(start))}
		if res.Err == nil {
			text := res.Result.GetValue()
			r.Text = &text
		}
		list = append(list, r)
	}
	return list, nil
}

type publishParams struct {
	header
	Method  string `json:"method"`
	Topic   topic  `json:"topic"`
	Message string `json:"message"`
	Base64  []byte `json:"base64"`
	Times   *int   `json:"times"`
}

func (p *peer) publish(ctx context.Context, params publishParams) (any, error) {
	if _, err := findMethod(params.Method, kindSubscription); err != nil {
		return nil, err
	}
	msg := wrapperspb.String(params.Message)
	if params.Base64 != nil {
		msg = rawText(params.Base64)
	}
	times := 1
	if params.Times != nil {
		times = *params.Times
	}
	for range times {
		if err := p.publisher.Publish(ctx, params.Method, params.Topic, msg); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

type subscription psrpc.Subscription[proto.Message]

type subscribeParams struct {
	header
	Method string `json:"method"`
	Topic  topic  `json:"topic"`
}

func (p *peer) subscribe(_ context.Context, params subscribeParams) (any, error) {
	m, err := findMethod(params.Method, kindSubscription)
	if err != nil {
		return nil, err
	}
	// proto.Message and not StringValue: psrpc would panic on any other known
	// type, and a test wants to see which one came.
	join := client.Join[proto.Message]
	if m.queue {
		join = client.JoinQueue[proto.Message]
	}
	// The context is that of the subscription, not of the command.
	sub, err := join(context.Background(), p.client, params.Method, params.Topic)
	if err != nil {
		return nil, err
	}
	handle := p.handles.Add(1)
	p.subs.put(handle, sub)
	if err := p.bus.settle(); err != nil {
		return nil, err
	}
	return answerThen{
		ok: fields{"sub": handle},
		then: func() {
			for msg := range sub.Channel() {
				p.out.event("update", updateFields(handle, msg))
			}
		},
	}, nil
}

func updateFields(handle int64, msg proto.Message) fields {
	if text, ok := msg.(*wrapperspb.StringValue); ok {
		return fields{"sub": handle, "text": text.GetValue()}
	}
	value, err := proto.Marshal(msg)
	if err != nil {
		return fields{"sub": handle, "error": toErrorJSON(err)}
	}
	typeURL := "type.googleapis.com/" + string(msg.ProtoReflect().Descriptor().FullName())
	return fields{"sub": handle, "typeUrl": typeURL, "value": value}
}

type unsubscribeParams struct {
	header
	Sub int64 `json:"sub"`
}

func (p *peer) unsubscribe(_ context.Context, params unsubscribeParams) (any, error) {
	sub, err := p.subs.get(params.Sub)
	if err != nil {
		return nil, err
	}
	p.subs.remove(params.Sub)
	if err := sub.Close(); err != nil {
		return nil, err
	}
	return nil, p.bus.settle()
}

func (p *peer) closeClient(context.Context, header) (any, error) {
	p.client.Close()
	return nil, nil
}
