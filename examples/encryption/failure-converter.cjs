// Puts messages and stacks of errors into payloads, which the codec then encrypts. Worker and workflow bundle load it
// with require().

const { DefaultFailureConverter } = require('@temporalio/common');

exports.failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
