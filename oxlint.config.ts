import { readdirSync } from "node:fs"
import { defineConfig } from "oxlint"
import { busRooms, rooms, testRooms } from "./rooms.ts"

const isPublic = (room: string) => /^[A-Z]/.test(room)

const listed = new Set(rooms.flat())
/** What is built on the rooms: the public modules that no row names, and the other entry points. */
const top = [
  ...readdirSync("packages/core/src")
    .flatMap((file) => (/^[A-Z]\w*\.ts$/.test(file) ? [file.slice(0, -3)] : []))
    .filter((module) => !listed.has(module)),
  "index"
]

/** The regular expression of imports of a room, or of a public module, from a room or from a public module. */
const imports = (rooms: ReadonlyArray<string>) => {
  const paths = rooms.map((room) => (isPublic(room) || room === "index" ? `${room}\\.ts$` : `${room}/`))
  return `^\\.\\.?/(\\.\\./)*(internal/)?(${[...paths, "broker/", "testing/"].join("|")})`
}

/** The reader and the writer have one cursor each: only the envelopes of the wire room may move it. */
const cursors = {
  regex: "wire/(reader|writer)\\.ts$",
  message: "only the wire room imports its reader and its writer"
} as const

/** Refuses, in each room, imports from the rooms beside it and above it. */
const directions = rooms.flatMap((row, index) =>
  row.map((room) => {
    const below = rooms.slice(0, index).flat()
    const beside = row.filter((other) => other !== room && !isPublic(room) && !isPublic(other))
    const forbidden = [...beside, ...rooms.slice(index + 1).flat(), ...top]
    return {
      files: [isPublic(room) ? `packages/core/src/${room}.ts` : `packages/core/src/internal/${room}/**`],
      rules: {
        "no-restricted-imports": [
          "error",
          {
            patterns: [
              {
                regex: imports(forbidden),
                message: `${room} imports only from ${below.length === 0 ? "itself" : below.join(", ")} (rooms.ts)`
              },
              cursors
            ]
          }
        ]
      }
    } as const
  })
)

const lastPart = (path: string) => path.slice(path.lastIndexOf("/") + 1)

/** The same for the rooms of the entry points for tests. */
const testDirections = testRooms.flatMap((row, index) =>
  row.map((room) => {
    const beside = row.filter((other) => other !== room)
    const forbidden = [...beside, ...testRooms.slice(index + 1).flat()].map(lastPart)
    const otherEntryPoint = room.startsWith("testing/") ? "broker/" : "testing/"
    return {
      files: [`packages/core/src/${isPublic(lastPart(room)) ? `${room}.ts` : `${room}/**`}`],
      rules: {
        "no-restricted-imports": [
          "error",
          {
            patterns: [
              {
                regex: `^\\.\\.?/(\\.\\./)*(${[...forbidden.map((name) => `([\\w/]+/)?${name}(/|\\.ts$)`), otherEntryPoint].join("|")})`,
                message: `${room} imports only from the rows above it (testRooms in rooms.ts)`
              },
              cursors
            ]
          }
        ]
      }
    } as const
  })
)

/** The same for the rooms of the buses. What makes a bus, beside the rooms, is above them all. */
const busDirections = Object.entries(busRooms).flatMap(([bus, rows]) =>
  rows.flatMap((row, index) =>
    row.map((room) => {
      const forbidden = [...row.filter((other) => other !== room), ...rows.slice(index + 1).flat()]
      return {
        files: [`packages/${bus}/src/internal/${room}/**`],
        rules: {
          "no-restricted-imports": [
            "error",
            {
              patterns: [
                {
                  regex: `^\\.\\./(${[...forbidden.map((name) => `${name}/`), "\\.\\./", "\\w+\\.ts$"].join("|")})`,
                  message: `${room} imports only from the rows above it (busRooms in rooms.ts)`
                }
              ]
            }
          ]
        }
      } as const
    })
  )
)

export default defineConfig({
  plugins: ["typescript", "unicorn", "oxc", "import"],
  categories: {
    correctness: "error",
    suspicious: "error",
    perf: "error"
  },
  rules: {
    "no-console": "error",
    eqeqeq: "error",
    "typescript/no-explicit-any": "off",
    "typescript/consistent-type-imports": "error",
    "no-shadow": "off",
    "no-underscore-dangle": "off",
    "no-await-in-loop": "off",
    "require-yield": "off",
    "no-unused-vars": [
      "error",
      {
        argsIgnorePattern: "^_",
        varsIgnorePattern: "^_"
      }
    ],
    "no-new": "off",
    "unicorn/no-useless-spread": "off",
    "unicorn/consistent-function-scoping": "off",
    "no-unmodified-loop-condition": "off",
    "unicorn/no-new-array": "off",
    "import/namespace": "off",
    "unicorn/no-array-sort": "off",
    "import/no-unassigned-import": "off",
    "import/no-cycle": [
      "error",
      {
        ignoreTypes: false
      }
    ]
  },
  ignorePatterns: ["**/dist/**", "**/gen/**", "node_modules"],
  overrides: [
    {
      files: ["scripts/**", "scratchpad/**", "packages/bench/**", "**/test/**", "**/typetest/**"],
      rules: {
        "no-console": "off"
      }
    },
    { files: ["packages/core/src/**"], rules: { "no-restricted-imports": ["error", { patterns: [cursors] }] } },
    ...directions,
    ...testDirections,
    ...busDirections
  ]
})
