'use strict';
const { appendFileSync } = require('node:fs');
const { handOver, input } = require('../send/hand-over.js');

const image = handOver('receive', input('tag') ? ['--tag', input('tag')] : []);
if (image && process.env.GITHUB_OUTPUT) appendFileSync(process.env.GITHUB_OUTPUT, `image=${image}\n`);
