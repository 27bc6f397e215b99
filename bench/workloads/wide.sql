-- TPC-C's new order and payment: a customer of 21 columns and ten stocks of 17 updated, an order and its ten lines inserted.
CREATE TABLE customer (id BIGINT PRIMARY KEY, c_d_id TINYINT, c_w_id SMALLINT, c_first VARCHAR(16), c_middle CHAR(2),
  c_last VARCHAR(16), c_street_1 VARCHAR(20), c_street_2 VARCHAR(20), c_city VARCHAR(20), c_state CHAR(2), c_zip CHAR(9),
  c_phone CHAR(16), c_since DATETIME, c_credit CHAR(2), c_credit_lim DECIMAL(12,2), c_discount DECIMAL(4,4),
  c_balance DECIMAL(12,2), c_ytd_payment DECIMAL(12,2), c_payment_cnt INT, c_delivery_cnt SMALLINT, c_data VARCHAR(500));
CREATE TABLE stock (id BIGINT PRIMARY KEY, s_w_id SMALLINT, s_quantity SMALLINT, s_dist_01 CHAR(24), s_dist_02 CHAR(24),
  s_dist_03 CHAR(24), s_dist_04 CHAR(24), s_dist_05 CHAR(24), s_dist_06 CHAR(24), s_dist_07 CHAR(24), s_dist_08 CHAR(24),
  s_dist_09 CHAR(24), s_dist_10 CHAR(24), s_ytd DECIMAL(8,0), s_order_cnt INT, s_remote_cnt INT, s_data VARCHAR(50));
CREATE TABLE orders (id BIGINT PRIMARY KEY, o_d_id TINYINT, o_w_id SMALLINT, o_c_id INT, o_entry_d DATETIME,
  o_carrier_id TINYINT, o_ol_cnt TINYINT, o_all_local TINYINT);
CREATE TABLE order_line (id BIGINT PRIMARY KEY, ol_o_id INT, ol_d_id TINYINT, ol_w_id SMALLINT, ol_i_id INT,
  ol_supply_w_id SMALLINT, ol_delivery_d DATETIME, ol_quantity TINYINT, ol_amount DECIMAL(6,2), ol_dist_info CHAR(24));
INSERT INTO customer
  WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 10000)
  SELECT n, n % 10, n % 50, CONCAT('first', n % 1000), 'OE', CONCAT('last', n % 997), CONCAT('street ', n), 'building',
    CONCAT('city ', n % 500), 'NY', LPAD(n, 9, '1'), LPAD(n, 16, '0'), '2024-02-29 12:34:56', 'GC', 50000, 0.1234, -10, 10,
    1, 0, RPAD(n, 300 + n % 200, 'customer data ') FROM s;
INSERT INTO stock
  WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 50000)
  SELECT n, n % 50, 10 + n % 90, RPAD(n, 24, 'a'), RPAD(n, 24, 'b'), RPAD(n, 24, 'c'), RPAD(n, 24, 'd'), RPAD(n, 24, 'e'),
    RPAD(n, 24, 'f'), RPAD(n, 24, 'g'), RPAD(n, 24, 'h'), RPAD(n, 24, 'i'), RPAD(n, 24, 'j'), 0, 0, 0,
    RPAD(n, 40, 'stock data ') FROM s;
DELIMITER //
CREATE PROCEDURE work(IN turns INT, IN seed BIGINT)
BEGIN
  DECLARE x BIGINT DEFAULT seed;
  DECLARE turn INT DEFAULT 0;
  DECLARE i INT;
  WHILE turn < turns DO
    START TRANSACTION;
    SET x = (x * 1103515245 + 12345) % 2147483648;
    UPDATE customer SET c_balance = c_balance - x % 5000, c_ytd_payment = c_ytd_payment + x % 5000,
      c_payment_cnt = c_payment_cnt + 1 WHERE id = 1 + x DIV 8 % 10000;
    INSERT INTO orders VALUES (turn + 1, x % 10, x % 50, x % 10000, '2025-01-02 03:04:05', NULL, 10, 1);
    SET i = 0;
    WHILE i < 10 DO
      SET x = (x * 1103515245 + 12345) % 2147483648;
      UPDATE stock SET s_quantity = 10 + (s_quantity + x) % 90, s_ytd = s_ytd + 5, s_order_cnt = s_order_cnt + 1
        WHERE id = 1 + (x DIV 8 % 5000 + i * 5000);
      SET i = i + 1;
    END WHILE;
    INSERT INTO order_line
      WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 10)
      SELECT turn * 10 + s.n, turn + 1, x % 10, x % 50, x DIV 8 % 5000 + s.n * 5000, x % 50, NULL, 5, x % 10000 / 7,
        RPAD(x, 24, 'd') FROM s;
    COMMIT;
    SET turn = turn + 1;
  END WHILE;
END //
DELIMITER ;
