// The part of Markdown that language models write, read into plain data: nothing here knows the DOM or makes HTML.
//
// Blocks: {type: "paragraph"|"heading"|"code"|"list"|"quote"|"table"|"rule", …}; inlines: {type: "text"|"code"|"strong"|
// "em"|"del"|"link"|"break", …}. HTML in the text stays text. Its time is bounded: nesting has a depth, and a paragraph
// that is longer than anybody writes is taken as it is.

/** Deepest nesting of lists, quotes and emphasis. */
const DEEPEST = 8;
/** Longest run of text, in characters, in which marks are looked for. */
const LONGEST = 20_000;

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$/;
const RULE = /^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$/;
const QUOTE = /^ {0,3}>\s?/;
const ITEM = /^(\s*)(?:([-*+])|(\d{1,9})[.)])(\s+|$)(.*)$/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

/** Blocks of a text; each has its `source`, so that a renderer can tell which ones have changed. */
export function parse(text) {
  return blocks(text.replace(/\r\n?/g, "\n").split("\n"), 0);
}

function blocks(lines, depth) {
  const found = [];
  let at = 0;
  while (at < lines.length) {
    if (lines[at].trim() === "") {
      at += 1;
      continue;
    }
    const { block, next } = read(lines, at, depth);
    found.push({ ...block, source: lines.slice(at, next).join("\n") });
    at = next;
  }
  return found;
}

function read(lines, at, depth) {
  const line = lines[at];
  const fence = FENCE.exec(line);
  if (fence) return code(lines, at, fence);
  const heading = HEADING.exec(line);
  if (heading) {
    return { block: { type: "heading", level: heading[1].length, inlines: inline(heading[2]) }, next: at + 1 };
  }
  if (RULE.test(line)) return { block: { type: "rule" }, next: at + 1 };
  if (depth < DEEPEST) {
    if (QUOTE.test(line)) return quote(lines, at, depth);
    if (ITEM.test(line)) return list(lines, at, depth);
  }
  if (isTable(lines, at)) return table(lines, at);
  let next = at + 1;
  while (next < lines.length && !interrupts(lines, next, depth)) next += 1;
  const text = lines.slice(at, next).map((part) => part.trim()).join("\n");
  return { block: { type: "paragraph", inlines: inline(text) }, next };
}

function interrupts(lines, at, depth) {
  const line = lines[at];
  if (line.trim() === "" || FENCE.test(line) || HEADING.test(line) || RULE.test(line)) return true;
  return (depth < DEEPEST && (QUOTE.test(line) || ITEM.test(line))) || isTable(lines, at);
}

function code(lines, at, [opening, mark, language]) {
  const indent = opening.search(/\S/);
  const closing = new RegExp(`^ {0,3}\\${mark[0]}{${mark.length},}\\s*$`);
  let end = at + 1;
  // A fence that is not closed (yet) goes to the end.
  while (end < lines.length && !closing.test(lines[end])) end += 1;
  const text = lines.slice(at + 1, end).map((line) => outdent(line, indent)).join("\n");
  return { block: { type: "code", language, text }, next: Math.min(end + 1, lines.length) };
}

function quote(lines, at, depth) {
  let next = at;
  while (next < lines.length && QUOTE.test(lines[next])) next += 1;
  const inner = lines.slice(at, next).map((line) => line.replace(QUOTE, ""));
  return { block: { type: "quote", blocks: blocks(inner, depth + 1) }, next };
}

function list(lines, at, depth) {
  const [, indent, bullet, number] = ITEM.exec(lines[at]);
  const ordered = bullet === undefined;
  const items = [];
  let loose = false;
  let next = at;
  while (next < lines.length) {
    const match = ITEM.exec(lines[next]);
    const same = match && match[2] === bullet && (match[3] !== undefined) === ordered && !RULE.test(lines[next]);
    if (!same || Math.abs(match[1].length - indent.length) > 1) break;
    // What belongs to an item stands below its text, or at least two columns in.
    const width = lines[next].length - match[5].length;
    const inside = [match[5]];
    const least = Math.min(width, match[1].length + 2);
    next += 1;
    while (next < lines.length && belongs(lines, next, least, depth)) {
      inside.push(outdent(lines[next], Math.min(width, Math.max(least, lines[next].search(/\S|$/)))));
      next += 1;
    }
    while (inside.length > 1 && inside.at(-1).trim() === "") {
      inside.pop();
      loose ||= ITEM.test(lines[next] ?? "") && ITEM.exec(lines[next])[1].length === indent.length;
    }
    items.push(blocks(inside, depth + 1));
  }
  return { block: { type: "list", ordered, start: ordered ? Number(number) : undefined, loose, items }, next };
}

function belongs(lines, at, least, depth) {
  const line = lines[at];
  if (line.trim() !== "") {
    if (line.search(/\S/) >= least) return true;
    // A line that only goes on with the paragraph before it.
    return lines[at - 1].trim() !== "" && !interrupts(lines, at, depth);
  }
  const after = lines.slice(at, at + 3).find((later) => later.trim() !== "");
  return after !== undefined && (after.search(/\S/) >= least || ITEM.test(after));
}

function outdent(line, columns) {
  let at = 0;
  while (at < columns && (line[at] === " " || line[at] === "\t")) at += 1;
  return line.slice(at);
}

function isTable(lines, at) {
  return lines[at].includes("|") && at + 1 < lines.length && lines[at + 1].includes("-") && TABLE_RULE.test(lines[at + 1]);
}

function table(lines, at) {
  const align = cells(lines[at + 1]).map((cell) => {
    if (/^:.*:$/.test(cell)) return "center";
    return cell.endsWith(":") ? "right" : "left";
  });
  const row = (line) => {
    const found = cells(line);
    return align.map((_, column) => inline(found[column] ?? ""));
  };
  let next = at + 2;
  while (next < lines.length && lines[next].includes("|") && lines[next].trim() !== "") next += 1;
  return { block: { type: "table", align, head: row(lines[at]), rows: lines.slice(at + 2, next).map(row) }, next };
}

function cells(line) {
  const bare = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return bare.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

const LINK = /\[((?:[^[\]\\]|\\.|\[[^[\]]*\])*)\]\(\s*<?((?:[^\s()<>]|\([^\s()<>]*\))*)>?(?:\s+"[^"]*")?\s*\)/y;
const ADDRESS = /<?(https?:\/\/(?:[^\s<>"'`\\()*]|\([^\s<>"'`\\()*]*\))*(?:[^\s<>"'`\\()*.,:;!?\]}_|]|\([^\s<>"'`\\()*]*\)))>?/y;
const WORD = /[\p{L}\p{N}]/u;

/** Inlines of a text. */
export function inline(text, depth = 0) {
  if (text.length > LONGEST || depth > DEEPEST) return [{ type: "text", text }];
  const found = [];
  let plain = "";
  let at = 0;
  const put = (node, next) => {
    if (plain !== "") found.push({ type: "text", text: plain });
    plain = "";
    found.push(node);
    at = next;
  };
  while (at < text.length) {
    const here = text[at];
    const mark = marked(text, at, depth);
    if (mark) put(mark.node, mark.next);
    else if (here === "\\" && /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "")) {
      plain += text[at + 1];
      at += 2;
    } else if (here === "\n") put({ type: "break" }, at + 1);
    else {
      // The whole of a run of marks that begin nothing, so that its rest does not begin something.
      const run = "`*_~".includes(here) ? runOf(text, at) : 1;
      plain += text.slice(at, at + run);
      at += run;
    }
  }
  if (plain !== "") found.push({ type: "text", text: plain });
  return found;
}

function marked(text, at, depth) {
  switch (text[at]) {
    case "`":
      return span(text, at);
    case "*":
    case "_":
    case "~":
      return emphasis(text, at, depth);
    case "[":
      return link(text, at, depth);
    case "<":
    case "h":
      return address(text, at);
    default:
      return null;
  }
}

function runOf(text, at) {
  let end = at;
  while (text[end] === text[at]) end += 1;
  return end - at;
}

function span(text, at) {
  const length = runOf(text, at);
  let from = at + length;
  for (;;) {
    const end = text.indexOf("`", from);
    if (end < 0) return null;
    const run = runOf(text, end);
    if (run === length) {
      const inside = text.slice(at + length, end).replaceAll("\n", " ");
      const padded = /^ .*[^ ].* $|^ [^ ] $/.test(inside);
      return { node: { type: "code", text: padded ? inside.slice(1, -1) : inside }, next: end + run };
    }
    from = end + run;
  }
}

function emphasis(text, at, depth) {
  const sign = text[at];
  const run = runOf(text, at);
  const length = run >= 2 ? 2 : 1;
  if (sign === "~" ? run !== 2 : run > 3) return null;
  const opens = /\S/.test(text[at + run] ?? "") && !(sign === "_" && WORD.test(text[at - 1] ?? ""));
  if (!opens) return null;
  let from = at + run;
  for (;;) {
    const end = text.indexOf(sign.repeat(length), from);
    if (end < 0) return null;
    const closing = runOf(text, end);
    const before = /\S/.test(text[end - 1]) && text[end - 1] !== "\\";
    const after = !(sign === "_" && WORD.test(text[end + closing] ?? ""));
    const fits = length === 2 || closing !== 2;
    if (before && after && fits) {
      // `***both***` closes with its last two.
      const close = end + closing - length;
      const children = inline(text.slice(at + length, close), depth + 1);
      const type = sign === "~" ? "del" : ["em", "strong"][length - 1];
      return { node: { type, children }, next: close + length };
    }
    from = end + closing;
  }
}

function link(text, at, depth) {
  LINK.lastIndex = at;
  const match = LINK.exec(text);
  if (!match) return null;
  const href = safe(match[2]);
  const children = inline(match[1], depth + 1);
  // An address that a browser should not follow leaves its text.
  return { node: href === null ? { type: "span", children } : { type: "link", href, children }, next: LINK.lastIndex };
}

function address(text, at) {
  if (WORD.test(text[at - 1] ?? "")) return null;
  ADDRESS.lastIndex = at;
  const match = ADDRESS.exec(text);
  if (!match || match[0].startsWith("<") !== match[0].endsWith(">")) return null;
  const href = safe(match[1]);
  if (href === null) return null;
  return { node: { type: "link", href, children: [{ type: "text", text: match[1] }] }, next: ADDRESS.lastIndex };
}

/** The address when it is one to follow: absolute, and of a scheme that runs nothing. */
export function safe(href) {
  try {
    const url = new URL(href);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}
