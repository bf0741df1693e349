// Gives the engine its own store back at the end of the job, also of a failed or cancelled one.
'use strict';
const { annotate, run } = require('../send/hand-over.js');
const { options } = require('../send/inputs.js');
const { environment } = require('../send/program.js');

async function restore(program) {
  const ended = await run(program, ['restore-store', ...options('restart-command')], environment(false));
  if (ended.code !== 0) throw new Error(ended.last || `it ended with ${ended.signal ?? ended.code}`);
}

// Only the step that asked for a switch has left a state.
const program = process.env.STATE_program;
if (program) {
  restore(program).catch((error) => {
    annotate('error', `handoff restore-store: ${error.message}; run \`handoff-relay restore-store\` on this machine`);
    process.exitCode = 1;
  });
}
