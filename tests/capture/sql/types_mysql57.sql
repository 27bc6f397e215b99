-- What MySQL has from 5.7 on: JSON of every kind, generated columns.
SET NAMES utf8mb4; SET SESSION sql_mode=''; SET SESSION time_zone='+00:00'; USE types;

-- JSON: literals, numbers at the borders of their widths, doubles, strings to escape, keys of all lengths
CREATE TABLE json_kinds (id INT PRIMARY KEY AUTO_INCREMENT, d JSON);
INSERT INTO json_kinds (d) VALUES ('null'),('true'),('false'),('0'),('-1'),('127'),('32767'),('32768'),('-32768'),('-32769'),('65535'),('65536'),('2147483647'),('2147483648'),('-2147483648'),('-2147483649'),('4294967295'),('4294967296'),('9223372036854775807'),('9223372036854775808'),('-9223372036854775808'),('18446744073709551615'),('18446744073709551616'),('""'),('[]'),('{}'),('[[]]'),('[{}]'),('{"":null}');
INSERT INTO json_kinds (d) VALUES ('1.0'),('-0.0'),('1e0'),('0.1'),('1.1e10'),('1e15'),('1e16'),('123456789012345678'),('1.7976931348623157e308'),('5e-324'),('2.2250738585072014e-308'),('1e-15'),('1e-14'),('0.000012345'),('3.141592653589793'),('100000000000000000000'),('123456.789e3'),('9007199254740993'),('0.30000000000000004'),('1e22'),('1e23'),('-1.5e-10');
INSERT INTO json_kinds (d) VALUES ('"quote \\" backslash \\\\ slash / \\b\\f\\n\\r\\t \\u0000 \\u001f \\u007f \\u00e9 \\ud83d\\ude00"'),('"é日本😀"'),('{"b":1,"a":2,"aa":3,"é":4,"":5,"A":6}'),('{"k":{"k":{"k":[1,{"k":[true,null,1.5,"x"]}]}}}'),('[1,-1,300,-300,70000,-70000,5000000000,-5000000000,1.5,"s",null,true,false,[],{}]');
INSERT INTO json_kinds (d) SELECT CONCAT('"', REPEAT('x', n), '"') FROM (SELECT 126 n UNION SELECT 127 UNION SELECT 128 UNION SELECT 16383 UNION SELECT 16384 UNION SELECT 65535 UNION SELECT 65536) q;
INSERT INTO json_kinds (d) SELECT CONCAT('[', REPEAT('1,', n), '2]') FROM (SELECT 100 n UNION SELECT 13000 UNION SELECT 21844 UNION SELECT 21845 UNION SELECT 40000) q;
INSERT INTO json_kinds (d) SELECT CONCAT('{"', REPEAT('k', n), '":1,"short":2}') FROM (SELECT 255 n UNION SELECT 256 UNION SELECT 65535) q;
INSERT INTO json_kinds (d) SELECT CONCAT(REPEAT('[', 100), REPEAT(']', 100)); INSERT INTO json_kinds (d) SELECT CONCAT(REPEAT('{"a":', 99), '1', REPEAT('}', 99));
UPDATE json_kinds SET d = JSON_SET(d, '$.added', JSON_ARRAY(1, 'two', NULL)) WHERE JSON_TYPE(d) = 'OBJECT'; DELETE FROM json_kinds WHERE id = 5;

-- opaque values: every type that may be cast into a document
CREATE TABLE json_opaque (id INT PRIMARY KEY, d JSON);
INSERT INTO json_opaque VALUES (1, JSON_ARRAY(CAST('2020-01-02' AS DATE), CAST('0000-00-00' AS DATE), CAST('-838:59:59' AS TIME), CAST('-00:00:00.000001' AS TIME(6)), CAST('12:13:14.5' AS TIME(1)), CAST('9999-12-31 23:59:59.999999' AS DATETIME(6)), CAST('2020-01-02 03:04:05' AS DATETIME), TIMESTAMP('2020-01-02 03:04:05.678')));
INSERT INTO json_opaque VALUES (2, JSON_ARRAY(CAST(1 AS DECIMAL(1,0)), CAST(-0.00012 AS DECIMAL(20,6)), CAST('99999999999999999999999999999999999.999999999999999999999999999999' AS DECIMAL(65,30)), CAST(0 AS DECIMAL(65,30)), 12.50));
INSERT INTO json_opaque VALUES (3, JSON_ARRAY(x'00FF', CAST('' AS BINARY), CAST(REPEAT('y', 57) AS BINARY), CAST(REPEAT('y', 58) AS BINARY), CAST(REPEAT('z', 300) AS BINARY), b'101'));
CREATE TABLE json_source (id INT PRIMARY KEY, bi BIT(10), bl BLOB, tb TINYBLOB, vb VARBINARY(20), y YEAR, ts TIMESTAMP(3) NULL, e ENUM('a','b'), s SET('x','y'), f FLOAT, u BIGINT UNSIGNED, c CHAR(3) CHARACTER SET latin1);
INSERT INTO json_source VALUES (1, 513, x'0001', x'02', x'03', 2020, '2020-01-02 03:04:05.678', 'b', 'x,y', 1.5, 18446744073709551615, 'é'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO json_opaque SELECT 10 + id, JSON_OBJECT('bi', bi, 'bl', bl, 'tb', tb, 'vb', vb, 'y', y, 'ts', ts, 'e', e, 's', s, 'f', f, 'u', u, 'c', c) FROM json_source;
INSERT INTO json_opaque SELECT 20, JSON_ARRAY(ST_GeomFromText('POINT(1 2)'), REPEAT('x', 70000), CAST(1.5 AS DECIMAL(5,2)), x'00');
UPDATE json_opaque SET d = JSON_INSERT(d, '$[0]', 1, '$[99]', CAST('2021-01-01' AS DATE));

-- generated columns, virtual and stored, in front, between and behind
CREATE TABLE generated_columns (v1 INT AS (id + 1) VIRTUAL, id INT PRIMARY KEY, s1 VARCHAR(30) AS (CONCAT('s', id)) STORED, a INT, j JSON, v2 VARCHAR(20) AS (JSON_UNQUOTE(JSON_EXTRACT(j, '$.k'))) VIRTUAL, v3 DECIMAL(10,2) AS (a / 3) VIRTUAL, KEY (v2), UNIQUE KEY (s1));
INSERT INTO generated_columns (id, a, j) VALUES (1, 10, '{"k":"x"}'), (2, NULL, NULL), (3, -7, '{"k":"zz"}'); UPDATE generated_columns SET a = 5 WHERE id = 1; UPDATE generated_columns SET id = 9 WHERE id = 2; DELETE FROM generated_columns WHERE id = 3;
