import { chmod, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  TestWorkflowEnvironment,
  type TimeSkippingTestWorkflowEnvironmentOptions,
} from '@temporalio/testing';
import { CepError, messageOf } from '../errors.js';
import { minutes, seconds } from '../time.js';
import { type Attempt, findOrFetch, type Source } from './cache.js';
import { ensureSearchAttributes } from './connection.js';
import { sdkDownload } from './download.js';
import { freePort, probe } from './ports.js';
import {
  describeFailure,
  type Environment,
  findOnPath,
  isExecutable,
  type Report,
  reportToStderr,
  run,
  startGuarded,
  withProgress,
} from './process.js';

const WHAT = 'time-skipping test server';
const VERSION = '1.32.0';
const MAVEN_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1';
const JAVA_LEAST = 11;
const WINDOWS = process.platform === 'win32';
const ENTRY = WINDOWS ? 'temporal-test-server.exe' : 'temporal-test-server';
const CLASS_ARCHIVE = 'classes.jsa';
