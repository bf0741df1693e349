'use strict';
const { handOver, record } = require('../send/hand-over.js');
const { InputError, flag, input, lines, options } = require('../send/inputs.js');

// Digests that the sender reported. `any` is the default: an empty text is an output that did not arrive, and must not
// switch the check off.
function digests() {
  if (input('digest') === 'any') return [];
  const all = lines('digest').join(',');
  if (all) return [`--digest=${all}`];
  throw new Error('the input `digest` is empty: the sending job has no output `digest` (see `outputs:` of that job), or leave `digest` out');
}

function storeSwitch() {
  const value = input('store-switch').toLowerCase();
  if (!['', 'false', 'true', 'force'].includes(value)) {
    throw new InputError(`the input \`store-switch\` is \`${value}\`: use false, true or force`);
  }
  if (value === 'force') return ['--store-switch=force'];
  return value === 'true' ? ['--store-switch'] : [];
}

handOver(
  'receive',
  () => [
    ...options('tag', 'import', 'wait', 'producer', 'restart-command'),
    ...digests(),
    ...storeSwitch(),
    ...(flag('delete') ? ['--delete'] : []),
  ],
  // Before the program starts: the post step must know of a switch that was killed.
  (program) => {
    if (storeSwitch().length > 0) record('GITHUB_STATE', 'program', program);
  },
);
