'use strict';
const { handOver } = require('./hand-over.js');
const { InputError, lines, options } = require('./inputs.js');

handOver('send', () => {
  const images = lines('image');
  if (images.length === 0) {
    throw new InputError('the input `image` is empty: name an image of this job, as `docker image ls` does');
  }
  const build = options('context', 'file', 'compression', 'level', 'target', 'builder');
  const values = lines('build-args').map((line) => `--build-arg=${line}`);
  return [...build, ...values, ...options('encoding', 'retention-days'), '--', ...images];
});
