// Inputs of an action: the runner gives them as variables `INPUT_NAME`.
'use strict';

// Input that no run of the action can use. Its message names the input and the values that it takes.
class InputError extends Error {}

function input(name) {
  return (process.env[`INPUT_${name.toUpperCase()}`] ?? '').trim();
}

// Values of an input that has one on each line.
function lines(name) {
  const all = input(name).split('\n').map((line) => line.trim());
  return all.filter((line) => line !== '');
}

function flag(name) {
  const value = input(name).toLowerCase();
  if (!['', 'true', 'false'].includes(value)) {
    throw new InputError(`the input \`${name}\` is \`${value}\`: use true or false`);
  }
  return value === 'true';
}

// Inputs that are set, as options of the program. With `=`, a value that begins with a dash stays a value.
function options(...names) {
  return names.filter((name) => input(name)).map((name) => `--${name}=${input(name)}`);
}

module.exports = { InputError, flag, input, lines, options };
