package main

import (
	"bufio"
	"encoding/json"
	"io"
	"reflect"
	"testing"
	"time"
)

// session is a peer on the local bus, under command.
type session struct {
	t      *testing.T
	in     *io.PipeWriter
	lines  chan map[string]any
	events []map[string]any
	id     float64
}

func newSession(t *testing.T) *session {
	t.Helper()
	return newTracedSession(t, nil)
}

func newTracedSession(t *testing.T, tracing *tracing) *session {
	t.Helper()
	bus, err := newTransport("local", "")
	if err != nil {
		t.Fatal(err)
	}
	commands, in := io.Pipe()
	answers, out := io.Pipe()
	p, err := newPeer(bus, newOutput(out), "Interop", "SRV_test", "CLI_test", tracing)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.run(commands) }()

	s := &session{t: t, in: in, lines: make(chan map[string]any, 100)}
	go func() {
		for scanner := bufio.NewScanner(answers); scanner.Scan(); {
			var line map[string]any
			if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
				t.Error(err)
			}
			s.lines <- line
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if ready := s.next(); ready["ready"] != true {
		t.Fatalf("first line: %v", ready)
	}
	return s
}

func (s *session) next() map[string]any {
	s.t.Helper()
	select {
	case line := <-s.lines:
		return line
	case <-time.After(5 * time.Second):
		s.t.Fatal("no more lines")
		return nil
	}
}

// do gives the answer to a command, and keeps the events that come before it.
func (s *session) do(cmd string, params fields) map[string]any {
	s.t.Helper()
	s.id++
	params["id"], params["cmd"] = s.id, cmd
	line, err := json.Marshal(params)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.in.Write(append(line, '\n')); err != nil {
		s.t.Fatal(err)
	}
	for {
		answer := s.next()
		if answer["event"] == nil {
			if answer["id"] != s.id {
				s.t.Fatalf("answer to another command: %v", answer)
			}
			return answer
		}
		s.events = append(s.events, answer)
	}
}

func (s *session) ok(cmd string, params fields) map[string]any {
	s.t.Helper()
	answer := s.do(cmd, params)
	ok, is := answer["ok"].(map[string]any)
	if !is {
		s.t.Fatalf("%s: %v", cmd, answer)
	}
	return ok
}

func (s *session) event(name string) map[string]any {
	s.t.Helper()
	for {
		for i, e := range s.events {
			if e["event"] == name {
				s.events = append(s.events[:i], s.events[i+1:]...)
				return e
			}
		}
		s.events = append(s.events, s.next())
	}
}

func TestUnary(t *testing.T) {
	s := newSession(t)
	server := s.ok("serve", fields{})
	if server["serverId"] != "SRV_test" {
		t.Errorf("server: %v", server)
	}
	if got := s.ok("call", fields{"method": "Echo", "request": "hi"}); got["text"] != "go:hi" {
		t.Errorf("call: %v", got)
	}

	unknown := map[string]any{"typeUrl": "type.googleapis.com/nobody.Knows", "value": "AAH/"}
	request, _ := json.Marshal(fields{"do": "fail", "code": "not_found", "message": "gone", "details": []any{unknown}})
	got := s.do("call", fields{"method": "Echo", "request": string(request)})["error"]
	want := map[string]any{"code": "not_found", "message": "gone", "details": []any{unknown}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("error: %v", got)
	}

	relay, _ := json.Marshal(fields{"do": "relay", "method": "Raw", "request": string(request)})
	if got := s.do("call", fields{"method": "Echo", "request": string(relay)})["error"]; !reflect.DeepEqual(got, want) {
		t.Errorf("relayed error: %v", got)
	}
	relay, _ = json.Marshal(fields{"do": "relay", "method": "Raw", "request": "hi"})
	if got := s.ok("call", fields{"method": "Echo", "request": string(relay)}); got["text"] != "go:hi" {
		t.Errorf("relayed answer: %v", got)
	}

	counts := s.ok("handled", fields{"server": server["server"]})["counts"]
	if !reflect.DeepEqual(counts, map[string]any{"Echo": 4.0, "Raw": 2.0}) {
		t.Errorf("counts: %v", counts)
	}
}

func TestRawRequest(t *testing.T) {
	s := newSession(t)
	server := s.ok("serve", fields{"methods": []string{}})["server"]
	s.ok("register", fields{"server": server, "method": "Reload", "topic": "n1"})

	got := s.do("callRaw", fields{"method": "Reload", "topic": "n1", "base64": "//8="})["error"]
	if code := got.(map[string]any)["code"]; code != "malformed_request" {
		t.Errorf("error: %v", got)
	}
	if got := s.ok("callRaw", fields{"method": "Reload", "topic": "n1", "base64": "CgJoaQ=="}); got["text"] != "go:hi" {
		t.Errorf("answer: %v", got)
	}
}

func TestStream(t *testing.T) {
	s := newSession(t)
	s.ok("serve", fields{"methods": []string{"Chat"}})
	stream := s.ok("open", fields{"method": "Chat", "metadata": fields{"k": "v"}})["stream"]
	if opened := s.event("streamOpened"); opened["remoteId"] != "CLI_test" {
		t.Errorf("opened: %v", opened)
	}
	s.ok("send", fields{"stream": stream, "text": "hijack"})
	s.ok("send", fields{"stream": stream, "text": "hi"})
	for _, want := range []string{"go:hijack", "go:hi"} {
		if got := s.event("message"); got["text"] != want {
			t.Errorf("message: %v", got)
		}
	}
	s.ok("send", fields{"stream": stream, "text": "close:aborted:that is it"})
	for _, event := range []string{"closed", "streamClosed"} {
		cause := s.event(event)["error"].(map[string]any)
		if cause["code"] != "aborted" || cause["message"] != "that is it" {
			t.Errorf("%s: %v", event, cause)
		}
	}
}

func TestStreamsByAffinityAndWithoutClaim(t *testing.T) {
	s := newSession(t)
	server := s.ok("serve", fields{"methods": []string{"Match"}, "affinity": -1})["server"]
	s.ok("register", fields{"server": server, "method": "Terminal", "topic": "n1"})
	stream := s.ok("open", fields{"method": "Terminal", "topic": "n1"})["stream"]
	s.ok("send", fields{"stream": stream, "text": "raw:CgJoaQ=="})
	if got := s.event("message"); got["text"] != "hi" {
		t.Errorf("message: %v", got)
	}

	match := fields{"method": "Match", "selection": fields{"affinityTimeoutMs": 50, "acceptFirstAvailable": true}}
	if got := s.do("open", match)["error"]; got.(map[string]any)["code"] != "unavailable" {
		t.Errorf("silent: %v", got)
	}
	s.ok("setAffinity", fields{"server": server, "affinity": 0.5})
	if opened := s.ok("open", match); opened["stream"] == nil {
		t.Errorf("open: %v", opened)
	}
}

func TestUpdates(t *testing.T) {
	s := newSession(t)
	sub := s.ok("subscribe", fields{"method": "RegionChanged", "topic": "eu"})["sub"]
	s.ok("publish", fields{"method": "RegionChanged", "topic": []string{"eu"}, "message": "up", "times": 2})
	for range 2 {
		if got := s.event("update"); got["sub"] != sub || got["text"] != "up" {
			t.Errorf("update: %v", got)
		}
	}
}

func TestRawUpdate(t *testing.T) {
	s := newSession(t)
	s.ok("subscribe", fields{"method": "JobDone"})
	// psrpc skips what it cannot decode
	s.ok("publish", fields{"method": "JobDone", "base64": "//8="})
	s.ok("publish", fields{"method": "JobDone", "base64": "CgJoaQ=="})
	if got := s.event("update"); got["text"] != "hi" {
		t.Errorf("update: %v", got)
	}
}

func TestBadCommands(t *testing.T) {
	s := newSession(t)
	for _, params := range []fields{
		{"cmd": "nope"},
		{"cmd": "call", "method": "Nope", "request": ""},
		{"cmd": "call", "method": "Echo", "request": "", "timeout": 1},
		{"cmd": "send", "stream": 99, "text": ""},
	} {
		cmd := params["cmd"].(string)
		got, _ := s.do(cmd, params)["error"].(map[string]any)
		if got["code"] != string(badCommand) {
			t.Errorf("%v: %v", params, got)
		}
	}
}
