/**
 * Writes src/protocol.gen.ts, the TypeScript types of the live protocol, from its JSON Schema.
 *
 *   node scripts/protocol.mjs           writes it
 *   node scripts/protocol.mjs --check   ends with 1 when what is there is stale
 *
 * A generator of our own because the schema is small, its names are the names that people are to see, and a
 * keyword that is not understood here is an error instead of a type that means less than the schema.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { argv, exit } from "node:process";
import { fileURLToPath } from "node:url";

const SCHEMA = fileURLToPath(new URL("../../../jobs_flow_django/live/protocol.schema.json", import.meta.url));
const TARGET = fileURLToPath(new URL("../src/protocol.gen.ts", import.meta.url));

/** What says something of values, but nothing that a type can say. */
const UNSAID = ["description", "minimum", "maximum", "minLength", "maxLength", "maxItems", "minItems", "default", "pattern", "$comment"];
const SAID = ["type", "enum", "const", "$ref", "oneOf", "anyOf", "properties", "required", "additionalProperties", "items"];
const PLAIN = { string: "string", integer: "number", number: "number", boolean: "boolean", null: "null" };

const comment = (text, indent) => (text ? `${indent}/** ${text.replaceAll("*/", "* /")} */\n` : "");

/** The type of a schema, as TypeScript text. */
function typeOf(schema, indent = "", where = "") {
  for (const keyword of Object.keys(schema)) {
    if (!SAID.includes(keyword) && !UNSAID.includes(keyword)) throw new Error(`${where}: "${keyword}" is not understood`);
  }
  if (schema.$ref) return schema.$ref.replace("#/$defs/", "");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.map((each) => typeOf(each, indent, where)).join(" | ");
  if (schema.type === undefined) return "unknown";
  const types = [schema.type].flat();
  return types.map((type) => PLAIN[type] ?? (type === "array" ? arrayOf(schema, indent, where) : objectOf(schema, indent, where))).join(" | ");
}

function arrayOf({ items }, indent, where) {
  const item = items ? typeOf(items, indent, `${where}[]`) : "unknown";
  return /[ |{]/.test(item) ? `Array<${item}>` : `${item}[]`;
}

function objectOf({ properties, required = [], additionalProperties }, indent, where) {
  const rest = typeof additionalProperties === "object" ? typeOf(additionalProperties, indent, `${where}.*`) : "unknown";
  if (!properties) return `Record<string, ${rest}>`;
  const inner = `${indent}  `;
  const lines = Object.entries(properties).map(([name, schema]) => {
    const mark = required.includes(name) ? "" : "?";
    return `${comment(schema.description, inner)}${inner}${name}${mark}: ${typeOf(schema, inner, `${where}.${name}`)};\n`;
  });
  return `{\n${lines.join("")}${indent}}`;
}

/** The text of the module. */
export function generate(schema) {
  const parts = Object.entries(schema.$defs).map(([name, definition]) => {
    const type = typeOf(definition, "", name);
    const head = comment(definition.description, "");
    return type.startsWith("{") ? `${head}export interface ${name} ${type}\n` : `${head}export type ${name} = ${type};\n`;
  });
  return `// Generated from jobs_flow_django/live/protocol.schema.json by scripts/protocol.mjs; do not edit.\n\n${parts.join("\n")}`;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const text = generate(JSON.parse(readFileSync(SCHEMA, "utf8")));
  if (!argv.includes("--check")) writeFileSync(TARGET, text);
  else if (readFileSync(TARGET, "utf8") !== text) {
    console.error("src/protocol.gen.ts is stale: run `npm run protocol` in clients/js");
    exit(1);
  }
}
