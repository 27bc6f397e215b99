-- Documents of about 400 bytes: twenty inserted in a transaction, and the same twenty updated in the next.
CREATE TABLE docs (id BIGINT PRIMARY KEY, doc JSON);
DELIMITER //
CREATE PROCEDURE work(IN turns INT, IN seed BIGINT)
BEGIN
  DECLARE x BIGINT DEFAULT seed;
  DECLARE turn INT DEFAULT 0;
  WHILE turn < turns DO
    INSERT INTO docs
      WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 20),
        ids (id) AS (SELECT s.n + turn * 20 FROM s)
      SELECT id, JSON_OBJECT('id', id, 'name', CONCAT('customer ', id), 'is_active', id % 2 = 0, 'balance', id / 7,
        'tags', JSON_ARRAY('red', 'green', id, NULL, 1.5e10),
        'address', JSON_OBJECT('street', CONCAT('Long Street ', id), 'city', 'Zuerich', 'zip', LPAD(id, 5, '0'),
          'at', JSON_ARRAY(47.3, 8.5)),
        'history', JSON_ARRAY(JSON_OBJECT('op', 'new', 'by', id), JSON_OBJECT('op', 'paid', 'sum', id * 3)),
        'note', REPEAT('x', 60 + id % 60)) FROM ids;
    SET x = (x * 1103515245 + 12345) % 2147483648;
    UPDATE docs SET doc = JSON_SET(doc, '$.balance', 100000000 + x) WHERE id > turn * 20 AND id <= (turn + 1) * 20;
    SET turn = turn + 1;
  END WHILE;
END //
DELIMITER ;
