package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/livekit/psrpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"effect-psrpc.dev/interop/generated/api"
)

// service answers with "go", the method's name and what it was asked.
type service struct {
	requests atomic.Int64
}

func (s *service) answer(name string, req *api.MyRequest) (*api.MyResponse, error) {
	if req.Fail {
		return nil, psrpc.NewError(psrpc.NotFound, errors.New("go "+name+" fails"), req)
	}
	return &api.MyResponse{Text: "go " + name + " " + req.Text, Requests: s.requests.Add(1)}, nil
}

func (s *service) NormalRPC(_ context.Context, req *api.MyRequest) (*api.MyResponse, error) {
	return s.answer("NormalRPC", req)
}

func (s *service) IntensiveRPC(_ context.Context, req *api.MyRequest) (*api.MyResponse, error) {
	return s.answer("IntensiveRPC", req)
}

func (s *service) IntensiveRPCAffinity(context.Context, *api.MyRequest) float32 {
	return 0.5
}

func (s *service) GetStats(_ context.Context, req *api.MyRequest) (*api.MyResponse, error) {
	return s.answer("GetStats", req)
}

func (s *service) GetRegionStats(_ context.Context, req *api.MyRequest) (*api.MyResponse, error) {
	return s.answer("GetRegionStats", req)
}

func (s *service) MuteTrack(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	say("MuteTrack")
	return &emptypb.Empty{}, nil
}

func (s *service) ExchangeUpdates(stream psrpc.ServerStream[*api.MyServerMessage, *api.MyClientMessage]) error {
	return exchange("ExchangeUpdates", stream)
}

func (s *service) FollowTrack(stream psrpc.ServerStream[*api.MyServerMessage, *api.MyClientMessage]) error {
	return exchange("FollowTrack", stream)
}

func exchange(name string, stream psrpc.ServerStream[*api.MyServerMessage, *api.MyClientMessage]) error {
	for message := range stream.Channel() {
		if err := stream.Send(&api.MyServerMessage{Text: "go " + name + " " + message.Text}); err != nil {
			return err
		}
	}
	return nil
}

// serve serves until the context ends, and publishes all the while: who
// subscribes does not say when it has.
func serve(ctx context.Context, bus psrpc.MessageBus) error {
	server, err := api.NewMyServiceServer[roomName, trackID](&service{}, bus)
	if err != nil {
		return err
	}
	defer server.Shutdown()
	if err := server.RegisterGetRegionStatsTopic(region); err != nil {
		return err
	}
	if err := server.RegisterAllTrackTopics(room, track); err != nil {
		return err
	}
	say("serving")
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := server.PublishProcessUpdate(ctx, &api.MyUpdate{Text: "go ProcessUpdate"}); err != nil {
				return err
			}
			if err := server.PublishUpdateState(ctx, &api.MyUpdate{Text: "go UpdateState"}); err != nil {
				return err
			}
			if err := server.PublishUpdateRegionState(ctx, region, &api.MyUpdate{Text: "go UpdateRegionState"}); err != nil {
				return err
			}
		}
	}
}
