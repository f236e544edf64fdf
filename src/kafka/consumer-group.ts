// The consumer group of the ingestors. Its assignment protocol has a name of its own, so that nothing else
// can ever be a member: a consumer of another program in the same group would take partitions from us.

import {
  type Admin,
  AssignerProtocol,
  type Cluster,
  type PartitionAssigner,
  PartitionAssigners,
} from 'kafkajs';
import { CepError } from '../errors.js';

/**
 * kafkajs' round robin under a name of ours.
 *
 * @param onCluster - is given the consumer's cluster, which kafkajs shows to assigners alone
 * @param protocol - who else may be a member
 */
export function groupAssigner(
  onCluster: (cluster: Cluster) => void,
  protocol: string,
): PartitionAssigner {
  return (config) => {
    onCluster(config.cluster);
    return {
      ...PartitionAssigners.roundRobin(config),
      name: protocol,
      protocol: ({ topics }) => ({
        name: protocol,
        metadata: AssignerProtocol.MemberMetadata.encode({
          version: 0,
          topics,
          userData: Buffer.alloc(0),
        }),
      }),
    };
  };
}

/**
 * Makes sure that the group is ours, or nobody's.
 *
 * @returns how many members it has at this moment
 * @throws CepError `SETTING_INVALID` when it belongs to another program, or to ingestors of another topic
 */
export async function requireGroup(
  admin: Admin,
  groupId: string,
  topic: string,
  protocol: string,
): Promise<number> {
  const { groups } = await admin.describeGroups([groupId]);
  const group = groups[0];
  if (!group || group.members.length === 0) {
    // An empty group of Kafka Connect's, say, still belongs to it.
    if (group?.protocolType && group.protocolType !== 'consumer') {
      throw inUse(groupId, `it is a group of type ${group.protocolType}`);
    }
    return 0;
  }
  // While it rebalances it has no protocol yet.
  if (group.protocol !== '' && group.protocol !== protocol) {
    const who = group.members.map(({ clientId, clientHost }) => `${clientId} at ${clientHost}`);
    throw inUse(groupId, `${who.join(', ')} (protocol ${group.protocol})`);
  }
  for (const { clientId, memberMetadata } of group.members) {
    // While it rebalances nothing is told of its members either.
    if (memberMetadata.length === 0) continue;
    const topics = AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics ?? [topic];
    if (topics.includes(topic)) continue;
    throw inUse(groupId, `${clientId} reads ${topics.join(', ')} with it`);
  }
  return group.members.length;
}

/** The same for what a consumer that tries to join is told. */
export function inUse(groupId: string, by: string): CepError {
  return new CepError(
    'SETTING_INVALID',
    `the consumer group ${groupId} is in use by something else: ${by}; name another --group`,
    { details: { groupId } },
  );
}
