-- Who Debezium is in MySQL: it reads rows as they are at first, and then the log of changes.
create user 'debezium'@'%' identified by 'debezium';
grant select, reload, lock tables, show databases, replication slave, replication client
  on *.* to 'debezium'@'%';
