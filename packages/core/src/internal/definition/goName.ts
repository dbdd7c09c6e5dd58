const isLower = (c: string | undefined): boolean => c !== undefined && c >= "a" && c <= "z"
const isDigit = (c: string | undefined): boolean => c !== undefined && c >= "0" && c <= "9"

/**
 * The name that Go's generator gives to a proto name (`sayHello` and `say_hello` are `SayHello`): the method names of
 * the wire. The rule is `GoCamelCase` of google.golang.org/protobuf/internal/strs.
 */
export const goName = (name: string): string => {
  let out = ""
  for (let i = 0; i < name.length; i++) {
    const c = name[i]!
    if (c === "." && isLower(name[i + 1])) continue
    if (c === ".") out += "_"
    else if (c === "_" && (i === 0 || name[i - 1] === ".")) out += "X"
    else if (c === "_" && isLower(name[i + 1])) continue
    else if (isDigit(c)) out += c
    else {
      out += isLower(c) ? c.toUpperCase() : c
      while (isLower(name[i + 1])) out += name[++i]!
    }
  }
  return out
}
