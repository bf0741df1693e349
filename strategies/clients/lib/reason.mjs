// The clients swallow errors and print them instead. This keeps the last such line as the reason of a failure; what
// is printed passes through unchanged, and no data is ever taken from it.

const COMPLAINT = /^::(?:warning|error)[^:]*::(.*)$|^(Failed to (?:save|restore): .*)$/;

/** Starts listening on stdout; the returned function gives the last complaint as one line, or undefined. */
export function listen(stream = process.stdout) {
  let last;
  let rest = '';
  const write = stream.write;
  stream.write = function (chunk, ...more) {
    const lines = (rest + (typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'))).split('\n');
    rest = lines.pop().slice(-65536);
    for (const line of lines) {
      const found = COMPLAINT.exec(line.trimEnd());
      if (found) last = oneLine(unescape(found[1] ?? found[2]));
    }
    return write.call(this, chunk, ...more);
  };
  return () => last;
}

/** A text of several lines as one. */
export const oneLine = (text) => String(text).replace(/\s*[\r\n]+\s*/g, ' | ').trim();

// Workflow commands escape these three.
const unescape = (text) => text.replaceAll('%0D', '').replaceAll('%0A', '\n').replaceAll('%25', '%');
