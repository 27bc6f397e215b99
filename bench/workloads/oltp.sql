-- sysbench's oltp_write_only: an index update, a text update, a delete and an insert of the same row a transaction.
CREATE TABLE sbtest1 (id BIGINT PRIMARY KEY, k INT NOT NULL DEFAULT 0, c CHAR(120) NOT NULL DEFAULT '',
  pad CHAR(60) NOT NULL DEFAULT '', KEY k_1 (k));
INSERT INTO sbtest1
  WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 100000)
  SELECT n, n * 7919 % 100000, REPEAT(LPAD(n * 48271 % 99999999999, 11, '0'), 10),
    REPEAT(LPAD(n * 16807 % 99999999999, 11, '0'), 5) FROM s;
DELIMITER //
CREATE PROCEDURE work(IN turns INT, IN seed BIGINT)
BEGIN
  DECLARE x BIGINT DEFAULT seed;
  DECLARE turn INT DEFAULT 0;
  DECLARE i INT;
  WHILE turn < turns DO
    START TRANSACTION;
    SET x = (x * 1103515245 + 12345) % 2147483648;
    UPDATE sbtest1 SET k = k + 1 WHERE id = 1 + x DIV 8 % 100000;
    SET x = (x * 1103515245 + 12345) % 2147483648;
    UPDATE sbtest1 SET c = REPEAT(LPAD((x + turn) * 48271 % 99999999999, 11, '0'), 10) WHERE id = 1 + x DIV 8 % 100000;
    SET x = (x * 1103515245 + 12345) % 2147483648;
    SET i = 1 + x DIV 8 % 100000;
    DELETE FROM sbtest1 WHERE id = i;
    INSERT INTO sbtest1 VALUES (i, x % 100000, REPEAT(LPAD(x * 48271 % 99999999999, 11, '0'), 10),
      REPEAT(LPAD(x, 11, '0'), 5));
    COMMIT;
    SET turn = turn + 1;
  END WHILE;
END //
DELIMITER ;
