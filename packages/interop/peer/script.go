package main

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/livekit/psrpc"
	"github.com/livekit/psrpc/pkg/client"
	"github.com/livekit/psrpc/pkg/metadata"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// script is what a request can ask of a handler.
type script struct {
	Do      string   `json:"do"`
	Text    string   `json:"text"`
	Ms      millis   `json:"ms"`
	Code    string   `json:"code"`
	Status  int32    `json:"status"`
	Message string   `json:"message"`
	Details []detail `json:"details"`
	Base64  []byte   `json:"base64"`
	Method  string   `json:"method"`
	Topic   topic    `json:"topic"`
	Request string   `json:"request"`
	First   *int     `json:"first"` // so many requests with this text; those after are answered as by `echo`
}

// report is the answer of `echo` and `sleep`: what the handler saw.
type report struct {
	ServerID   string            `json:"serverId"`
	Method     string            `json:"method"`
	Text       string            `json:"text"`
	RemoteID   string            `json:"remoteId"`
	SentAt     string            `json:"sentAt"` // unix ns, too large for a JSON number
	Metadata   map[string]string `json:"metadata"`
	DeadlineMs float64           `json:"deadlineMs"`
}

func newReport(ctx context.Context, serverID, method, text string) report {
	r := report{ServerID: serverID, Method: method, Text: text, Metadata: map[string]string{}}
	if head := metadata.IncomingHeader(ctx); head != nil {
		r.RemoteID = head.RemoteID
		r.SentAt = strconv.FormatInt(head.SentAt.UnixNano(), 10)
		if head.Metadata != nil {
			r.Metadata = head.Metadata
		}
	}
	if deadline, ok := ctx.Deadline(); ok {
		r.DeadlineMs = toMillis(time.Until(deadline))
	}
	return r
}

func (r report) message() (proto.Message, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return wrapperspb.String(string(b)), nil
}

// rawMessage marshals to exactly these bytes, whether they are protobuf or not.
func rawMessage(b []byte) *emptypb.Empty {
	m := &emptypb.Empty{}
	m.ProtoReflect().SetUnknown(b)
	return m
}

// runScript is the handler of all unary and multi methods.
func runScript(ctx context.Context, p *peer, serverID, method, text string) (proto.Message, error) {
	if !strings.HasPrefix(text, "{") {
		return wrapperspb.String("go:" + text), nil
	}
	var s script
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, psrpc.NewError(psrpc.InvalidArgument, err)
	}

	if s.First != nil && p.nth(s.Text) > *s.First {
		s.Do = "echo"
	}

	switch s.Do {
	case "echo":
		return newReport(ctx, serverID, method, s.Text).message()

	case "sleep":
		timer := time.NewTimer(s.Ms.orZero())
		defer timer.Stop()
		select {
		case <-timer.C:
			return newReport(ctx, serverID, method, s.Text).message()
		case <-ctx.Done():
			return nil, ctx.Err()
		}

	case "fail":
		return nil, newError(s.Code, s.Message, s.Details)

	case "failPlain":
		return nil, errors.New(s.Message)

	case "failStatus":
		st := &spb.Status{Code: s.Status, Message: s.Message}
		for _, d := range s.Details {
			st.Details = append(st.Details, &anypb.Any{TypeUrl: d.TypeURL, Value: d.Value})
		}
		return nil, status.ErrorProto(st)

	case "panic":
		panic("asked to panic")

	case "raw":
		return rawMessage(s.Base64), nil

	case "relay":
		if _, err := findMethod(s.Method, kindUnary); err != nil {
			return nil, err
		}
		return client.RequestSingle[*wrapperspb.StringValue](ctx, p.client, s.Method, s.Topic, wrapperspb.String(s.Request))

	case "unencodable":
		return wrapperspb.String("\xff"), nil

	default:
		return nil, psrpc.NewErrorf(psrpc.InvalidArgument, "unknown do %q", s.Do)
	}
}
