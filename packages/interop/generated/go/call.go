package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/livekit/psrpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"effect-psrpc.dev/interop/generated/api"
)

type serviceClient = api.MyServiceClient[roomName, trackID]

// untilAnswered tries again what found nobody: a client's own subscriptions
// are made in the background, and nobody says when they are there.
func untilAnswered[T any](ctx context.Context, try func() (T, error)) (T, error) {
	for {
		answer, err := try()
		var failure psrpc.Error
		again := errors.As(err, &failure) && (failure.Code() == psrpc.Unavailable || failure.Code() == psrpc.DeadlineExceeded)
		if !again || ctx.Err() != nil {
			return answer, err
		}
	}
}

// call calls every method, and says what it got.
func call(ctx context.Context, bus psrpc.MessageBus) error {
	client, err := api.NewMyServiceClient[roomName, trackID](bus, psrpc.WithClientTimeout(2*time.Second))
	if err != nil {
		return err
	}
	defer client.Close()
	for _, step := range []func(context.Context, serviceClient) error{
		callUnary, callFailing, callMulti, callMuteTrack, callStreams, callSubscriptions,
	} {
		if err := step(ctx, client); err != nil {
			return err
		}
	}
	return nil
}

func callUnary(ctx context.Context, client serviceClient) error {
	req := &api.MyRequest{Text: "hello"}
	res, err := untilAnswered(ctx, func() (*api.MyResponse, error) { return client.NormalRPC(ctx, req) })
	if err != nil {
		return fmt.Errorf("NormalRPC: %w", err)
	}
	say("NormalRPC", res.Text)
	if res, err = client.IntensiveRPC(ctx, req); err != nil {
		return fmt.Errorf("IntensiveRPC: %w", err)
	}
	say("IntensiveRPC", res.Text)
	return nil
}

func callFailing(ctx context.Context, client serviceClient) error {
	_, err := client.NormalRPC(ctx, &api.MyRequest{Text: "why", Fail: true})
	var failure psrpc.Error
	if !errors.As(err, &failure) {
		return fmt.Errorf("NormalRPC did not fail with an error of psrpc: %v", err)
	}
	texts := []string{string(failure.Code()), failure.Error()}
	for _, detail := range failure.Details() {
		if req, ok := detail.(*api.MyRequest); ok {
			texts = append(texts, req.Text)
		}
	}
	say("Failing", texts...)
	return nil
}

func callMulti(ctx context.Context, client serviceClient) error {
	req, limit := &api.MyRequest{Text: "hello"}, psrpc.WithRequestTimeout(time.Second)
	stats, err := client.GetStats(ctx, req, limit)
	if err != nil {
		return fmt.Errorf("GetStats: %w", err)
	}
	if err := sayAll("GetStats", stats); err != nil {
		return err
	}
	stats, err = client.GetRegionStats(ctx, region, req, limit)
	if err != nil {
		return fmt.Errorf("GetRegionStats: %w", err)
	}
	return sayAll("GetRegionStats", stats)
}

func sayAll(name string, answers <-chan *psrpc.Response[*api.MyResponse]) error {
	var texts []string
	for answer := range answers {
		if answer.Err != nil {
			return fmt.Errorf("%s: %w", name, answer.Err)
		}
		texts = append(texts, answer.Result.Text)
	}
	sort.Strings(texts)
	say(name, texts...)
	return nil
}

func callMuteTrack(ctx context.Context, client serviceClient) error {
	if _, err := client.MuteTrack(ctx, room, track, &emptypb.Empty{}); err != nil {
		return fmt.Errorf("MuteTrack: %w", err)
	}
	say("MuteTrack")
	return nil
}

func callStreams(ctx context.Context, client serviceClient) error {
	stream, err := client.ExchangeUpdates(ctx)
	if err != nil {
		return fmt.Errorf("ExchangeUpdates: %w", err)
	}
	if err := exchangeTwo(ctx, "ExchangeUpdates", stream); err != nil {
		return err
	}
	if stream, err = client.FollowTrack(ctx, room, track); err != nil {
		return fmt.Errorf("FollowTrack: %w", err)
	}
	return exchangeTwo(ctx, "FollowTrack", stream)
}

func exchangeTwo(
	ctx context.Context, name string, stream psrpc.ClientStream[*api.MyClientMessage, *api.MyServerMessage],
) error {
	var texts []string
	for _, text := range []string{"one", "two"} {
		if err := stream.Send(&api.MyClientMessage{Text: text}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		select {
		case message, ok := <-stream.Channel():
			if !ok {
				return fmt.Errorf("%s: closed: %w", name, stream.Err())
			}
			texts = append(texts, message.Text)
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", name, ctx.Err())
		}
	}
	say(name, texts...)
	return stream.Close(nil)
}

func callSubscriptions(ctx context.Context, client serviceClient) error {
	processed, err := client.SubscribeProcessUpdate(ctx)
	if err != nil {
		return fmt.Errorf("SubscribeProcessUpdate: %w", err)
	}
	defer processed.Close()
	if err := sayFirst(ctx, "ProcessUpdate", processed); err != nil {
		return err
	}
	states, err := client.SubscribeUpdateState(ctx)
	if err != nil {
		return fmt.Errorf("SubscribeUpdateState: %w", err)
	}
	defer states.Close()
	if err := sayFirst(ctx, "UpdateState", states); err != nil {
		return err
	}
	regional, err := client.SubscribeUpdateRegionState(ctx, region)
	if err != nil {
		return fmt.Errorf("SubscribeUpdateRegionState: %w", err)
	}
	defer regional.Close()
	return sayFirst(ctx, "UpdateRegionState", regional)
}

func sayFirst(ctx context.Context, name string, updates psrpc.Subscription[*api.MyUpdate]) error {
	select {
	case update := <-updates.Channel():
		say(name, update.GetText())
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", name, ctx.Err())
	}
}
