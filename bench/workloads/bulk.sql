-- Five columns in transactions of a thousand rows: half inserts, a quarter updates, a quarter deletes.
CREATE TABLE events (id BIGINT PRIMARY KEY, customer_id INT, name VARCHAR(40), state TINYINT, note VARCHAR(80));
DELIMITER //
CREATE PROCEDURE work(IN turns INT, IN seed BIGINT)
BEGIN
  DECLARE turn INT DEFAULT 0;
  WHILE turn < 2 * turns DO
    INSERT INTO events
      WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1000),
        ids (id) AS (SELECT s.n + turn * 1000 FROM s)
      SELECT id, (id + seed) * 7 % 100003, CONCAT('customer ', id), id % 5,
        RPAD(CONCAT('note of event ', id), 77, ' and more') FROM ids;
    IF turn % 2 = 1 THEN
      UPDATE events SET state = state + 10 WHERE id > turn * 1000 AND id <= (turn + 1) * 1000;
      DELETE FROM events WHERE id > turn * 1000 AND id <= (turn + 1) * 1000;
    END IF;
    SET turn = turn + 1;
  END WHILE;
END //
DELIMITER ;
