-- The anchors by SQL: sqlite3 :memory: '.read recount.sql' inside this directory, which writes the three CSV files anew.
-- It knows nothing of citypulse's code: tweets.jsonl in, counts per city's name and window of five minutes out.
.mode ascii
.separator "\037" "\n"
CREATE TABLE line (json TEXT);
.import tweets.jsonl line

CREATE TABLE arrived AS
SELECT
  rowid AS number,
  json ->> '$.data.edit_history_tweet_ids[0]' AS post,
  json ->> '$.data.id' AS id,
  json ->> '$.data.author_id' AS author,
  json ->> '$.data.created_at' AS created_at,
  json ->> '$.data.referenced_tweets[0].type' AS reference,
  json ->> '$.data.geo.place_id' AS place,
  json ->> '$.includes.places[0].id' AS shown_place,
  json ->> '$.includes.places[0].place_type' AS place_type,
  json ->> '$.includes.places[0].country_code' AS country,
  json ->> '$.includes.places[0].full_name' AS city,
  json ->> '$.data.referenced_tweets' LIKE '%"retweeted"%' AS retweet
FROM line;

-- A post counts once, as it first arrived: in the order of creation, as replay sends a file. Its own time is in its id.
CREATE TABLE counted AS
SELECT *, ((CAST(post AS INTEGER) >> 22) + 1288834974657) / 1000 / 300 * 300 AS start
FROM (
  SELECT *, row_number() OVER (PARTITION BY post ORDER BY created_at, number) AS version
  FROM arrived
  WHERE place IS NOT NULL AND NOT coalesce(retweet, 0)
)
WHERE version = 1 AND place = shown_place AND place_type = 'city';

CREATE VIEW anchors AS
SELECT
  city,
  datetime(start, 'unixepoch') AS date,
  count(*) AS tweets,
  count(reference) AS retweets,
  count(DISTINCT author) AS users
FROM counted
GROUP BY country, place, start;

.mode csv
.headers on
.separator "," "\n"
.once anchor_tweets.csv
SELECT city, date, tweets AS count FROM anchors ORDER BY date, city, count;
.once anchor_retweets.csv
SELECT city, date, retweets AS count FROM anchors WHERE retweets > 0 ORDER BY date, city, count;
.once anchor_uniqueusers.csv
SELECT city, date, users AS count FROM anchors ORDER BY date, city, count;
