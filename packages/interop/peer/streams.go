package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/livekit/psrpc"
	"github.com/livekit/psrpc/pkg/client"
	"github.com/livekit/psrpc/pkg/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type (
	textValue        = wrapperspb.StringValue
	textServerStream = psrpc.ServerStream[*textValue, *textValue]
	textClientStream = psrpc.ClientStream[*textValue, *textValue]
)

func (s *testServer) streamHandler(name string) func(textServerStream) error {
	return func(st textServerStream) error {
		handle := s.peer.handles.Add(1)
		opened := fields{"server": s.handle, "stream": handle, "method": name, "remoteId": "", "metadata": fields{}}
		if head := metadata.IncomingHeader(st.Context()); head != nil {
			opened["remoteId"] = head.RemoteID
			if head.Metadata != nil {
				opened["metadata"] = head.Metadata
			}
		}
		s.peer.out.event("streamOpened", opened)

		// Every way to close ends the context after the cause is set.
		go func() {
			<-st.Context().Done()
			s.peer.out.event("streamClosed", fields{
				"server": s.handle, "stream": handle, "method": name, "error": toErrorJSON(st.Err()),
			})
		}()

		done := s.started(name, "")
		defer func() { done(false) }()
		return s.converse(st, handle, name)
	}
}

// converse does what the messages say, until one ends it or the stream closes.
func (s *testServer) converse(st textServerStream, handle int64, name string) error {
	for msg := range st.Channel() {
		value := msg.GetValue()
		s.count(name, func(c *handlerCount) { c.texts = append(c.texts, value) })
		verb, arg, _ := strings.Cut(value, ":")

		switch verb {
		case "close":
			if value == "close" {
				return nil
			}
			code, message, _ := strings.Cut(arg, ":")
			return newError(code, message, nil)

		case "hijack":
			st.Hijack()
			go func() {
				err := st.Send(wrapperspb.String("go:hijack"))
				if err == nil {
					err = s.converse(st, handle, name)
				}
				_ = st.Close(err)
			}()
			return nil

		case "burst":
			n, _ := strconv.Atoi(arg)
			for i := 1; i <= n; i++ {
				if err := st.Send(wrapperspb.String(fmt.Sprintf("burst:%d", i))); err != nil {
					return err
				}
			}

		case "flood":
			n, _ := strconv.Atoi(arg)
			s.peer.out.event("flooded", fields{"server": s.handle, "stream": handle, "failed": flood(st, n)})

		case "raw":
			body, err := base64.StdEncoding.DecodeString(arg)
			if err != nil {
				return psrpc.NewError(psrpc.InvalidArgument, err)
			}
			if err := st.Send(rawText(body)); err != nil {
				return err
			}

		case "pause":
			ms, _ := strconv.Atoi(arg)
			time.Sleep(time.Duration(ms) * time.Millisecond)

		default:
			if err := st.Send(wrapperspb.String("go:" + value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// rawText is a message whose body is exactly these bytes.
func rawText(body []byte) *textValue {
	msg := &textValue{}
	msg.ProtoReflect().SetUnknown(body)
	return msg
}

// flood sends without waiting for one ack before the next message, as a
// receiver's buffer only fills up that way. It returns how many sends failed.
func flood(st textServerStream, n int) int {
	var wg sync.WaitGroup
	var mu sync.Mutex
	failed := 0
	for i := 1; i <= n; i++ {
		wg.Go(func() {
			if st.Send(wrapperspb.String(fmt.Sprintf("flood:%d", i))) != nil {
				mu.Lock()
				failed++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failed
}

// clientStream is the end that commands hold.
type clientStream struct {
	textClientStream

	cancel  context.CancelFunc
	resume  func()
	resumed <-chan struct{}
}

type openParams struct {
	header
	requestParams
	Paused bool `json:"paused"`
}

func (p *peer) open(ctx context.Context, params openParams) (any, error) {
	if _, err := findMethod(params.Method, kindStream); err != nil {
		return nil, err
	}
	// The stream lives as long as its context, so it must not be the command's;
	// but to cancel the command cancels the opening.
	streamCtx, cancel := params.context(context.WithoutCancel(ctx))
	opening := context.AfterFunc(ctx, cancel)

	start := time.Now()
	st, err := client.OpenStream[*textValue, *textValue](streamCtx, p.client, params.Method, params.Topic, params.options()...)
	if !opening() && err == nil {
		err = psrpc.ErrRequestCanceled
	}
	if err != nil {
		cancel()
		return nil, err
	}

	resumed := make(chan struct{})
	s := &clientStream{
		textClientStream: st,
		cancel:           cancel,
		resume:           sync.OnceFunc(func() { close(resumed) }),
		resumed:          resumed,
	}
	if !params.Paused {
		s.resume()
	}
	handle := p.handles.Add(1)
	p.streams.put(handle, s)
	return answerThen{
		ok:   fields{"stream": handle, "ms": toMillis(time.Since(start))},
		then: func() { p.receive(handle, s) },
	}, nil
}

func (p *peer) receive(handle int64, s *clientStream) {
	select {
	case <-s.resumed:
	case <-s.Context().Done():
	}
	for msg := range s.Channel() {
		p.out.event("message", fields{"stream": handle, "text": msg.GetValue()})
	}
	p.out.event("closed", fields{"stream": handle, "error": toErrorJSON(s.Err())})
	s.cancel()
}

type sendParams struct {
	header
	Stream  int64  `json:"stream"`
	Text    string `json:"text"`
	Base64  []byte `json:"base64"`
	Timeout millis `json:"timeoutMs"`
}

func (p *peer) send(_ context.Context, params sendParams) (any, error) {
	s, err := p.streams.get(params.Stream)
	if err != nil {
		return nil, err
	}
	msg := wrapperspb.String(params.Text)
	if params.Base64 != nil {
		msg = rawText(params.Base64)
	}
	var opts []psrpc.StreamOption
	if params.Timeout.Duration != nil {
		opts = append(opts, psrpc.WithTimeout(*params.Timeout.Duration))
	}
	start := time.Now()
	if err := s.Send(msg, opts...); err != nil {
		return nil, err
	}
	return fields{"ms": toMillis(time.Since(start))}, nil
}

type streamParams struct {
	header
	Stream int64      `json:"stream"`
	Error  *errorJSON `json:"error"`
}

func (p *peer) resume(_ context.Context, params streamParams) (any, error) {
	s, err := p.streams.get(params.Stream)
	if err != nil {
		return nil, err
	}
	s.resume()
	return nil, nil
}

func (p *peer) closeStream(_ context.Context, params streamParams) (any, error) {
	s, err := p.streams.get(params.Stream)
	if err != nil {
		return nil, err
	}
	return nil, s.Close(params.Error.toError())
}
