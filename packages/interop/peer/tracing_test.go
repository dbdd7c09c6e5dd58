package main

import (
	"encoding/json"
	"testing"
)

func TestTracing(t *testing.T) {
	if _, err := newTracing("sometimes"); err == nil {
		t.Error("a sampler that nobody knows is taken")
	}
	tracing, err := newTracing("parent")
	if err != nil {
		t.Fatal(err)
	}
	s := newTracedSession(t, tracing)
	s.ok("serve", fields{})
	fail, _ := json.Marshal(fields{"do": "fail", "code": "not_found", "message": "no"})
	s.do("call", fields{"method": "Echo", "request": string(fail), "trace": fields{
		"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"tracestate":  "a=1",
	}})
	s.ok("call", fields{"method": "Echo", "request": "hi", "trace": fields{
		"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
	}})

	spans, _ := s.do("spans", fields{})["ok"].([]any)
	if len(spans) != 2 {
		t.Fatalf("spans: %v", spans)
	}
	received, sent := spans[0].(map[string]any), spans[1].(map[string]any)
	if received["name"] != "Recv.Interop.Echo" || sent["name"] != "Sent.Interop.Echo" {
		t.Errorf("names: %v, %v", received["name"], sent["name"])
	}
	if received["parentId"] != sent["spanId"] || sent["parentId"] != "00f067aa0ba902b7" {
		t.Errorf("parents: %v, %v", received["parentId"], sent["parentId"])
	}
	for _, span := range []map[string]any{received, sent} {
		if span["traceId"] != "4bf92f3577b34da6a3ce929d0e0e4736" || span["traceState"] != "a=1" || span["failed"] != true {
			t.Errorf("span: %v", span)
		}
		if code := span["attributes"].(map[string]any)["rpc.psrpc.status_code"]; code != "not_found" {
			t.Errorf("code: %v", code)
		}
	}
}
