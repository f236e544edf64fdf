import { type Cluster, type Kafka, PartitionAssigners } from 'kafkajs';

/** A cluster that asks for topics and creates none. kafkajs shows one to partition assigners alone, when their consumer is made. */
export function clusterOf(kafka: Kafka): Cluster {
  let cluster: Cluster | undefined;
  kafka.consumer({
    // Never joined.
    groupId: 'unused',
    allowAutoTopicCreation: false,
    partitionAssigners: [
      (config) => {
        cluster = config.cluster;
        return PartitionAssigners.roundRobin(config);
      },
    ],
  });
  return cluster as Cluster;
}
