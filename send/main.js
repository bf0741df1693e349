'use strict';
const { handOver, input, options } = require('./hand-over.js');

if (!input('image')) throw new Error('the input `image` is empty: name an image of this job, as `docker image ls` does');
// How layers are compressed is the builder's: an image of the engine goes as the engine pushes it.
const build = input('context') ? options('context', 'file', 'compression', 'level') : options('file');
handOver('send', [input('image'), ...build]);
