import { createPortableEngine } from '../../src/io/stream-portable.ts';
import { testStreamEngine } from './stream-conformance.ts';

testStreamEngine(createPortableEngine);
