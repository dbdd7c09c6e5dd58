package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/livekit/psrpc"
	"google.golang.org/protobuf/types/known/anypb"
)

// badCommand is the code of errors that come from the command and not from psrpc.
const badCommand psrpc.ErrorCode = "bad_command"

func badCommandf(format string, args ...any) error {
	return psrpc.NewErrorf(badCommand, format, args...)
}

type fields map[string]any

// detail is a google.protobuf.Any as it is on the wire, so that types unknown
// here pass through unharmed.
type detail struct {
	TypeURL string `json:"typeUrl"`
	Value   []byte `json:"value"`
}

type errorJSON struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Details []detail `json:"details"`
}

func toErrorJSON(err error) *errorJSON {
	if err == nil {
		return nil
	}
	e := &errorJSON{Code: string(psrpc.Unknown), Message: err.Error(), Details: []detail{}}
	var pe psrpc.Error
	if errors.As(err, &pe) {
		e.Code = string(pe.Code())
		for _, d := range pe.DetailsProto() {
			e.Details = append(e.Details, detail{d.GetTypeUrl(), append([]byte{}, d.GetValue()...)}) // never null
		}
	}
	return e
}

func (e *errorJSON) toError() error {
	if e == nil {
		return nil
	}
	return newError(e.Code, e.Message, e.Details)
}

// newError takes the one constructor of psrpc that leaves details as they are.
func newError(code, message string, details []detail) error {
	anys := make([]*anypb.Any, len(details))
	for i, d := range details {
		anys[i] = &anypb.Any{TypeUrl: d.TypeURL, Value: d.Value}
	}
	return psrpc.NewErrorFromResponse(code, message, anys...)
}

// output writes one line at a time, from any goroutine.
type output struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func newOutput(w io.Writer) *output {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &output{enc: enc}
}

func (o *output) line(v any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.enc.Encode(v); err != nil {
		fmt.Fprintln(os.Stderr, "peer: write:", err)
	}
}

func (o *output) answer(id int64, ok any, err error) {
	if err != nil {
		o.line(fields{"id": id, "error": toErrorJSON(err)})
		return
	}
	if ok == nil {
		ok = fields{}
	}
	o.line(fields{"id": id, "ok": ok})
}

func (o *output) event(name string, f fields) {
	f["event"] = name
	o.line(f)
}
