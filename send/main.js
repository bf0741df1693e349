'use strict';
const { handOver, input } = require('./hand-over.js');

if (!input('image')) throw new Error('the input `image` is empty: name an image of this job, as `docker image ls` does');
const build = ['context', 'file'].flatMap((name) => (input(name) ? [`--${name}`, input(name)] : []));
handOver('send', [input('image'), ...build]);
