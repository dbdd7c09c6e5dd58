/** A program with messages of protobuf-es, which runs with each version of it that the packages take. */
import { create, createFileRegistry, type DescService, setExtension } from "@bufbuild/protobuf"
import {
  DurationSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MethodOptionsSchema,
  TimestampSchema
} from "@bufbuild/protobuf/wkt"
import { Client, LocalMessageBus, PsrpcError, Rpc, Server, Service } from "@effect-psrpc/core"
import * as Descriptor from "@effect-psrpc/core/Descriptor"
import { options, OptionsSchema, Routing } from "@effect-psrpc/core/options_pb.js"
import { Effect } from "effect"

class Clock extends Service.make("Clock", {
  now: Rpc.unary({ request: DurationSchema, response: TimestampSchema }),
  later: Rpc.unary({ request: DurationSchema, response: TimestampSchema })
}) {}
const later = PsrpcError.withDetails(
  new PsrpcError.Unavailable({ message: "try again later" }),
  PsrpcError.detail(DurationSchema, { seconds: 30n })
)

/** A service that is read from a descriptor with options, as a .proto has them. */
const described = (): DescService => {
  const multi = create(MethodOptionsSchema)
  setExtension(multi, options, create(OptionsSchema, { routing: { case: "multi", value: true }, type: Routing.MULTI }))
  const file = create(FileDescriptorProtoSchema, {
    name: "load.proto",
    package: "load",
    syntax: "proto3",
    messageType: [
      {
        name: "Load",
        field: [
          {
            name: "percent",
            number: 1,
            type: FieldDescriptorProto_Type.INT32,
            label: FieldDescriptorProto_Label.OPTIONAL,
            jsonName: "percent"
          }
        ]
      }
    ],
    service: [
      { name: "Farm", method: [{ name: "GetLoad", inputType: ".load.Load", outputType: ".load.Load", options: multi }] }
    ]
  })
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [file] })).getService("load.Farm")!
}

const program = Effect.gen(function* () {
  const clock = yield* Client.make(Clock)
  const { seconds } = yield* clock.now({ seconds: 5n })
  const error = yield* Effect.flip(clock.later({}))
  const [delay] = PsrpcError.findDetails(error, DurationSchema)
  const [getLoad] = Descriptor.read(described()).methods
  return `${seconds} seconds, ${error.message}: ${delay?.seconds} seconds, ${getLoad?.name}: ${getLoad?.kind}`
})

const clockServer = Server.layer(Clock, {
  now: (duration) => Effect.succeed({ seconds: duration.seconds }),
  later: () => Effect.fail(later)
})

// eslint-disable-next-line no-console
console.log(
  await Effect.runPromise(
    program.pipe(Effect.provide(clockServer), Effect.provide(LocalMessageBus.layer), Effect.scoped)
  )
)
