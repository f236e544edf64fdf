-- The clickstream in MySQL or MariaDB, as docs/change-data-capture.md reads it.
-- `eventTime` is kept in UTC: give it as from_unixtime(seconds), or say set time_zone = '+00:00' first.
create table clickstream (
  id bigint not null auto_increment,
  eventTime timestamp,
  eventType varchar(50),
  productId varchar(50),
  categoryId varchar(50),
  categoryCode varchar(80),
  brand varchar(50),
  price decimal(10,2),
  userId varchar(50),
  userSession varchar(50),
  primary key (id)
);
