import { assert, describe, it } from "@effect/vitest"
import * as Channel from "../../src/internal/wire/channel.ts"

type Names = readonly [name: string, subject: string, route: string]

// What Go psrpc v0.7.2 makes of these (pkg/info/channels.go): the channels of requests, claim responses and streams.
const methods: ReadonlyArray<
  readonly [
    input: readonly [service: string, method: string, topic: ReadonlyArray<string>, queue: boolean],
    request: Names,
    claimResponse: Names,
    stream: Names
  ]
> = [
  [
    ["Greeter", "SayHello", [], false],
    ["Greeter|SayHello|REQ", "SRV.Greeter", "SayHello.REQ"],
    ["Greeter|SayHello|RCLAIM", "SRV.Greeter", "SayHello.RCLAIM"],
    ["Greeter|SayHello|STR", "SRV.Greeter", "SayHello.STR"]
  ],
  [
    ["foo", "bar", ["a", "b", "c"], true],
    ["foo|bar|a|b|c|REQ", "SRV.foo.a.b.c.Q", "bar.REQ"],
    ["foo|bar|a|b|c|RCLAIM", "SRV.foo.a.b.c", "bar.RCLAIM"],
    ["foo|bar|a|b|c|STR", "SRV.foo.a.b.c", "bar.STR"]
  ],
  [
    ["foo", "bar", ["a", "b", "c"], false],
    ["foo|bar|a|b|c|REQ", "SRV.foo.a.b.c", "bar.REQ"],
    ["foo|bar|a|b|c|RCLAIM", "SRV.foo.a.b.c", "bar.RCLAIM"],
    ["foo|bar|a|b|c|STR", "SRV.foo.a.b.c", "bar.STR"]
  ],
  [
    ["S", "M", [""], true],
    ["S|M|REQ", "SRV.S.Q", "M.REQ"],
    ["S|M|RCLAIM", "SRV.S", "M.RCLAIM"],
    ["S|M|STR", "SRV.S", "M.STR"]
  ],
  [
    ["S", "M", ["", ""], false],
    ["S|M|REQ", "SRV.S", "M.REQ"],
    ["S|M|RCLAIM", "SRV.S", "M.RCLAIM"],
    ["S|M|STR", "SRV.S", "M.STR"]
  ],
  [
    ["S", "M", ["", "", ""], true],
    ["S|M|REQ", "SRV.S.Q", "M.REQ"],
    ["S|M|RCLAIM", "SRV.S", "M.RCLAIM"],
    ["S|M|STR", "SRV.S", "M.STR"]
  ],
  [
    ["S", "M", ["", "a"], true],
    ["S|M|a|REQ", "SRV.S.a.Q", "M.REQ"],
    ["S|M|a|RCLAIM", "SRV.S.a", "M.RCLAIM"],
    ["S|M|a|STR", "SRV.S.a", "M.STR"]
  ],
  [
    ["S", "M", ["", "", "a"], false],
    ["S|M|a|REQ", "SRV.S.a", "M.REQ"],
    ["S|M|a|RCLAIM", "SRV.S.a", "M.RCLAIM"],
    ["S|M|a|STR", "SRV.S.a", "M.STR"]
  ],
  [
    ["S", "M", ["a", ""], true],
    ["S|M|a||REQ", "SRV.S.a.Q", "M.REQ"],
    ["S|M|a||RCLAIM", "SRV.S.a", "M.RCLAIM"],
    ["S|M|a||STR", "SRV.S.a", "M.STR"]
  ],
  [
    ["S", "M", ["a", "", ""], false],
    ["S|M|a||REQ", "SRV.S.a", "M.REQ"],
    ["S|M|a||RCLAIM", "SRV.S.a", "M.RCLAIM"],
    ["S|M|a||STR", "SRV.S.a", "M.STR"]
  ],
  [
    ["S", "M", ["a", "", "b"], true],
    ["S|M|a|b|REQ", "SRV.S.a.b.Q", "M.REQ"],
    ["S|M|a|b|RCLAIM", "SRV.S.a.b", "M.RCLAIM"],
    ["S|M|a|b|STR", "SRV.S.a.b", "M.STR"]
  ],
  [
    ["S", "M", ["a", "", "", "b"], false],
    ["S|M|a|b|REQ", "SRV.S.a.b", "M.REQ"],
    ["S|M|a|b|RCLAIM", "SRV.S.a.b", "M.RCLAIM"],
    ["S|M|a|b|STR", "SRV.S.a.b", "M.STR"]
  ],
  [
    ["S", "M", ["", "a", ""], true],
    ["S|M|a||REQ", "SRV.S.a.Q", "M.REQ"],
    ["S|M|a||RCLAIM", "SRV.S.a", "M.RCLAIM"],
    ["S|M|a||STR", "SRV.S.a", "M.STR"]
  ],
  [
    ["S", "M", ["", "a", "", "b", ""], false],
    ["S|M|a|b||REQ", "SRV.S.a.b", "M.REQ"],
    ["S|M|a|b||RCLAIM", "SRV.S.a.b", "M.RCLAIM"],
    ["S|M|a|b||STR", "SRV.S.a.b", "M.STR"]
  ],
  [
    ["", "M", ["a"], true],
    ["M|a|REQ", "SRV..a.Q", "M.REQ"],
    ["M|a|RCLAIM", "SRV..a", "M.RCLAIM"],
    ["M|a|STR", "SRV..a", "M.STR"]
  ],
  [
    ["S", "", ["a"], true],
    ["S|a|REQ", "SRV.S.a.Q", ".REQ"],
    ["S|a|RCLAIM", "SRV.S.a", ".RCLAIM"],
    ["S|a|STR", "SRV.S.a", ".STR"]
  ],
  [
    ["", "", [""], false],
    ["REQ", "SRV.", ".REQ"],
    ["RCLAIM", "SRV.", ".RCLAIM"],
    ["STR", "SRV.", ".STR"]
  ],
  [
    ["", "", ["a", ""], false],
    ["a||REQ", "SRV..a", ".REQ"],
    ["a||RCLAIM", "SRV..a", ".RCLAIM"],
    ["a||STR", "SRV..a", ".STR"]
  ],
  [
    ["S", "M", ["eu-west"], true],
    ["S|M|euu+002dwest|REQ", "SRV.S.euu+002dwest.Q", "M.REQ"],
    ["S|M|euu+002dwest|RCLAIM", "SRV.S.euu+002dwest", "M.RCLAIM"],
    ["S|M|euu+002dwest|STR", "SRV.S.euu+002dwest", "M.STR"]
  ],
  [
    ["S", "M", ["a.b", "c|d", "e>f", "*", " "], false],
    ["S|M|au+002eb|cu+007cd|eu+003ef|u+002a|u+0020|REQ", "SRV.S.au+002eb.cu+007cd.eu+003ef.u+002a.u+0020", "M.REQ"],
    [
      "S|M|au+002eb|cu+007cd|eu+003ef|u+002a|u+0020|RCLAIM",
      "SRV.S.au+002eb.cu+007cd.eu+003ef.u+002a.u+0020",
      "M.RCLAIM"
    ],
    ["S|M|au+002eb|cu+007cd|eu+003ef|u+002a|u+0020|STR", "SRV.S.au+002eb.cu+007cd.eu+003ef.u+002a.u+0020", "M.STR"]
  ],
  [
    ["my.pkg.Service", "Do-It", ["x"], true],
    ["myu+002epkgu+002eService|Dou+002dIt|x|REQ", "SRV.my.pkg.Service.x.Q", "Do-It.REQ"],
    ["myu+002epkgu+002eService|Dou+002dIt|x|RCLAIM", "SRV.my.pkg.Service.x", "Do-It.RCLAIM"],
    ["myu+002epkgu+002eService|Dou+002dIt|x|STR", "SRV.my.pkg.Service.x", "Do-It.STR"]
  ],
  [
    ["🚀_É", "🛰_bar", ["软件"], true],
    ["U+0001f680_u+00c9|U+0001f6f0_bar|u+8f6fu+4ef6|REQ", "SRV.🚀_É.u+8f6fu+4ef6.Q", "🛰_bar.REQ"],
    ["U+0001f680_u+00c9|U+0001f6f0_bar|u+8f6fu+4ef6|RCLAIM", "SRV.🚀_É.u+8f6fu+4ef6", "🛰_bar.RCLAIM"],
    ["U+0001f680_u+00c9|U+0001f6f0_bar|u+8f6fu+4ef6|STR", "SRV.🚀_É.u+8f6fu+4ef6", "🛰_bar.STR"]
  ],
  [
    ["S", "M", ["\u0000\u007f\u0080\u00ff"], false],
    ["S|M|u+0000u+007fu+0080u+00ff|REQ", "SRV.S.u+0000u+007fu+0080u+00ff", "M.REQ"],
    ["S|M|u+0000u+007fu+0080u+00ff|RCLAIM", "SRV.S.u+0000u+007fu+0080u+00ff", "M.RCLAIM"],
    ["S|M|u+0000u+007fu+0080u+00ff|STR", "SRV.S.u+0000u+007fu+0080u+00ff", "M.STR"]
  ],
  [
    ["S", "M", ["\uffff\u{10000}\u{10ffff}"], false],
    ["S|M|u+ffffU+00010000U+0010ffff|REQ", "SRV.S.u+ffffU+00010000U+0010ffff", "M.REQ"],
    ["S|M|u+ffffU+00010000U+0010ffff|RCLAIM", "SRV.S.u+ffffU+00010000U+0010ffff", "M.RCLAIM"],
    ["S|M|u+ffffU+00010000U+0010ffff|STR", "SRV.S.u+ffffU+00010000U+0010ffff", "M.STR"]
  ],
  [
    ["S", "M", ["\ufeffa", "e\u0301", "\u0130\u0131\u017fK"], true],
    ["S|M|u+feffa|eu+0301|u+0130u+0131u+017fK|REQ", "SRV.S.u+feffa.eu+0301.u+0130u+0131u+017fK.Q", "M.REQ"],
    ["S|M|u+feffa|eu+0301|u+0130u+0131u+017fK|RCLAIM", "SRV.S.u+feffa.eu+0301.u+0130u+0131u+017fK", "M.RCLAIM"],
    ["S|M|u+feffa|eu+0301|u+0130u+0131u+017fK|STR", "SRV.S.u+feffa.eu+0301.u+0130u+0131u+017fK", "M.STR"]
  ],
  [
    ["S", "M", ["\u0663", "\uff21", "\u00aa"], true],
    ["S|M|u+0663|u+ff21|u+00aa|REQ", "SRV.S.u+0663.u+ff21.u+00aa.Q", "M.REQ"],
    ["S|M|u+0663|u+ff21|u+00aa|RCLAIM", "SRV.S.u+0663.u+ff21.u+00aa", "M.RCLAIM"],
    ["S|M|u+0663|u+ff21|u+00aa|STR", "SRV.S.u+0663.u+ff21.u+00aa", "M.STR"]
  ],
  [
    ["S", "M", ["\ufffd"], true],
    ["S|M|u+fffd|REQ", "SRV.S.u+fffd.Q", "M.REQ"],
    ["S|M|u+fffd|RCLAIM", "SRV.S.u+fffd", "M.RCLAIM"],
    ["S|M|u+fffd|STR", "SRV.S.u+fffd", "M.STR"]
  ],
  [
    ["S", "M", ["a\ufffdb\ufffd\ufffd"], false],
    ["S|M|au+fffdbu+fffdu+fffd|REQ", "SRV.S.au+fffdbu+fffdu+fffd", "M.REQ"],
    ["S|M|au+fffdbu+fffdu+fffd|RCLAIM", "SRV.S.au+fffdbu+fffdu+fffd", "M.RCLAIM"],
    ["S|M|au+fffdbu+fffdu+fffd|STR", "SRV.S.au+fffdbu+fffdu+fffd", "M.STR"]
  ],
  [
    ["\ufffdS", "M\ufffd", ["t"], true],
    ["u+fffdS|Mu+fffd|t|REQ", "SRV.\ufffdS.t.Q", "M\ufffd.REQ"],
    ["u+fffdS|Mu+fffd|t|RCLAIM", "SRV.\ufffdS.t", "M\ufffd.RCLAIM"],
    ["u+fffdS|Mu+fffd|t|STR", "SRV.\ufffdS.t", "M\ufffd.STR"]
  ],
  [
    ["0_9", "AZaz", ["_", "0"], false],
    ["0_9|AZaz|_|0|REQ", "SRV.0_9._.0", "AZaz.REQ"],
    ["0_9|AZaz|_|0|RCLAIM", "SRV.0_9._.0", "AZaz.RCLAIM"],
    ["0_9|AZaz|_|0|STR", "SRV.0_9._.0", "AZaz.STR"]
  ],
  [
    ["S", "M", ["REQ", "Q"], true],
    ["S|M|REQ|Q|REQ", "SRV.S.REQ.Q.Q", "M.REQ"],
    ["S|M|REQ|Q|RCLAIM", "SRV.S.REQ.Q", "M.RCLAIM"],
    ["S|M|REQ|Q|STR", "SRV.S.REQ.Q", "M.STR"]
  ],
  [
    ["S", "M", ["\n\t\\\"'"], true],
    ["S|M|u+000au+0009u+005cu+0022u+0027|REQ", "SRV.S.u+000au+0009u+005cu+0022u+0027.Q", "M.REQ"],
    ["S|M|u+000au+0009u+005cu+0022u+0027|RCLAIM", "SRV.S.u+000au+0009u+005cu+0022u+0027", "M.RCLAIM"],
    ["S|M|u+000au+0009u+005cu+0022u+0027|STR", "SRV.S.u+000au+0009u+005cu+0022u+0027", "M.STR"]
  ],
  [
    ["a b", "c d", ["e f"], true],
    ["au+0020b|cu+0020d|eu+0020f|REQ", "SRV.a b.eu+0020f.Q", "c d.REQ"],
    ["au+0020b|cu+0020d|eu+0020f|RCLAIM", "SRV.a b.eu+0020f", "c d.RCLAIM"],
    ["au+0020b|cu+0020d|eu+0020f|STR", "SRV.a b.eu+0020f", "c d.STR"]
  ]
]

// The same for claims, responses and streams on their way to a client.
const clients: ReadonlyArray<
  readonly [
    input: readonly [service: string, clientId: string],
    claim: readonly [string, string],
    response: readonly [string, string],
    stream: readonly [string, string]
  ]
> = [
  [
    ["Greeter", "CLI_abcdefghijkl"],
    ["Greeter|CLI_abcdefghijkl|CLAIM", "CLI.Greeter.CLI_abcdefghijkl.CLAIM"],
    ["Greeter|CLI_abcdefghijkl|RES", "CLI.Greeter.CLI_abcdefghijkl.RES"],
    ["Greeter|CLI_abcdefghijkl|STR", "CLI.Greeter.CLI_abcdefghijkl.STR"]
  ],
  [
    ["foo", "bar"],
    ["foo|bar|CLAIM", "CLI.foo.bar.CLAIM"],
    ["foo|bar|RES", "CLI.foo.bar.RES"],
    ["foo|bar|STR", "CLI.foo.bar.STR"]
  ],
  [
    ["", ""],
    ["CLAIM", "CLI...CLAIM"],
    ["RES", "CLI...RES"],
    ["STR", "CLI...STR"]
  ],
  [
    ["S", ""],
    ["S|CLAIM", "CLI.S..CLAIM"],
    ["S|RES", "CLI.S..RES"],
    ["S|STR", "CLI.S..STR"]
  ],
  [
    ["", "C"],
    ["C|CLAIM", "CLI..C.CLAIM"],
    ["C|RES", "CLI..C.RES"],
    ["C|STR", "CLI..C.STR"]
  ],
  [
    ["my.pkg.S", "host-1:8080"],
    ["myu+002epkgu+002eS|hostu+002d1u+003a8080|CLAIM", "CLI.my.pkg.S.host-1:8080.CLAIM"],
    ["myu+002epkgu+002eS|hostu+002d1u+003a8080|RES", "CLI.my.pkg.S.host-1:8080.RES"],
    ["myu+002epkgu+002eS|hostu+002d1u+003a8080|STR", "CLI.my.pkg.S.host-1:8080.STR"]
  ],
  [
    ["S", "🚀\ufffd"],
    ["S|U+0001f680u+fffd|CLAIM", "CLI.S.🚀\ufffd.CLAIM"],
    ["S|U+0001f680u+fffd|RES", "CLI.S.🚀\ufffd.RES"],
    ["S|U+0001f680u+fffd|STR", "CLI.S.🚀\ufffd.STR"]
  ],
  [
    ["Ünï", "c|d"],
    ["u+00dcnu+00ef|cu+007cd|CLAIM", "CLI.Ünï.c|d.CLAIM"],
    ["u+00dcnu+00ef|cu+007cd|RES", "CLI.Ünï.c|d.RES"],
    ["u+00dcnu+00ef|cu+007cd|STR", "CLI.Ünï.c|d.STR"]
  ]
]

const channel = ([name, subject, route]: Names): Channel.Channel => ({ name, subject, route })

describe("channel", () => {
  it.each(methods)("a method's channels are Go's: %j", ([service, method, topic, queue], request, claim, stream) => {
    assert.deepStrictEqual(Channel.request(service, method, topic, queue), channel(request))
    assert.deepStrictEqual(Channel.claimResponse(service, method, topic), channel(claim))
    assert.deepStrictEqual(Channel.stream(service, method, topic), channel(stream))
  })

  it.each(clients)("a client's channels are Go's: %j", ([service, clientId], claim, response, stream) => {
    assert.deepStrictEqual(Channel.claimRequest(service, clientId), channel([...claim, ""]))
    assert.deepStrictEqual(Channel.response(service, clientId), channel([...response, ""]))
    assert.deepStrictEqual(Channel.clientStream(service, clientId), channel([...stream, ""]))
  })

  it("a lone surrogate counts as U+FFFD everywhere, as it does once it is UTF-8", () => {
    assert.deepStrictEqual(
      Channel.request("\ud800S", "M\udc00", ["a\ud83d", "\ude80b", "\ude80\ud83d"], true),
      Channel.request("\ufffdS", "M\ufffd", ["a\ufffd", "\ufffdb", "\ufffd\ufffd"], true)
    )
    assert.deepStrictEqual(Channel.response("S", "C\ud800"), Channel.response("S", "C\ufffd"))
    assert.strictEqual(Channel.request("S", "M", ["a\ud800b\udc00\ud800"], false).name, "S|M|au+fffdbu+fffdu+fffd|REQ")
  })

  it("a queue shows on the NATS subject of its requests and nowhere else", () => {
    const queue = Channel.request("S", "M", ["t"], true)
    const every = Channel.request("S", "M", ["t"], false)
    assert.strictEqual(queue.subject, `${every.subject}.Q`)
    assert.strictEqual(queue.name, every.name)
    assert.strictEqual(queue.route, every.route)
  })
})
