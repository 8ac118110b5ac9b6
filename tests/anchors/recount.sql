-- The anchors by SQL: sqlite3 :memory: '.read recount.sql' inside this directory, which writes the three CSV files anew.
-- It knows nothing of citypulse's code: tweets.jsonl in, counts per city's name and window of five minutes out.
.mode ascii
.separator "\037" "\n"
CREATE TABLE line (json TEXT);
.import tweets.jsonl line

CREATE TABLE arrived AS
SELECT
  row_number() OVER (ORDER BY json ->> '$.data.created_at', rowid) AS number,
  json ->> '$.data.edit_history_tweet_ids[0]' AS post,
  json ->> '$.data.id' AS id,
  json ->> '$.data.author_id' AS author,
  json ->> '$.data.created_at' AS created_at,
  json ->> '$.data.referenced_tweets[0].type' AS reference,
  json ->> '$.data.geo.place_id' AS place,
  json ->> '$.includes.places[0].id' AS shown_place,
  json ->> '$.includes.places[0].place_type' AS place_type,
  json ->> '$.includes.places[0].country_code' AS country,
  json ->> '$.includes.places[0].full_name' AS name,
  json ->> '$.includes.places[0].contained_within[0]' AS contained_within,
  json ->> '$.data.referenced_tweets' LIKE '%"retweeted"%' AS retweet
FROM line;

-- The cities, as they were first seen: replay sends a file in the order of creation.
CREATE TABLE city AS
SELECT place, name, country, min(number) AS number
FROM arrived
WHERE place = shown_place AND place_type = 'city'
GROUP BY place;

-- Places of which X does not say what contains them, by hand. Each lies in its city's box, or has its name. Three more lie in the
-- boxes of several cities, or in one whose own posts never came: they stay open.
CREATE TABLE by_hand (place TEXT, city TEXT);
INSERT INTO by_hand VALUES
  ('7b639370f9e49e21', '87571864ab34eff0'), -- admin 上海
  ('f55ce40180f1b87e', '87571864ab34eff0'), -- Saint-Pierre, 上海
  ('a6063677b85d2e51', '2e283a787c74a3b0'), -- admin London
  ('6048d35d918d0ab8', '2e283a787c74a3b0'), -- Old Market in London
  ('e835d0d8919e730c', '6b6a5dfcb0344fa9'), -- admin Lagos
  ('981b60d4e157797b', '4381c866c0fd7d35'), -- admin Shenzhen
  ('400892a2e19a7f0c', '4381c866c0fd7d35'), -- Public Library in Shenzhen
  ('33b623cc2ec6a74d', '8c77c1dfbc18f9a5'), -- International Airport of 北京
  ('41ceda871f6346d7', 'e83e613c1a8e8628'); -- International Airport of Kinshasa

-- A post counts once, as it first arrived. Its own time is in its id. A place counts for its city once that has been seen.
CREATE TABLE counted AS
SELECT
  first.*,
  city.place AS city_place,
  city.name AS city,
  ((CAST(post AS INTEGER) >> 22) + 1288834974657) / 1000 / 300 * 300 AS start
FROM (
  SELECT *, row_number() OVER (PARTITION BY post ORDER BY number) AS version
  FROM arrived
  WHERE place = shown_place AND NOT coalesce(retweet, 0)
) AS first
LEFT JOIN by_hand USING (place)
JOIN city ON city.place = iif(place_type = 'city', first.place, coalesce(contained_within, by_hand.city))
  AND (place_type = 'city' OR city.number < first.number)
WHERE version = 1;

CREATE VIEW anchors AS
SELECT
  city,
  datetime(start, 'unixepoch') AS date,
  count(*) AS tweets,
  count(reference) AS retweets,
  count(DISTINCT author) AS users
FROM counted
GROUP BY country, city_place, start;

.mode csv
.headers on
.separator "," "\n"
.once anchor_tweets.csv
SELECT city, date, tweets AS count FROM anchors ORDER BY date, city, count;
.once anchor_retweets.csv
SELECT city, date, retweets AS count FROM anchors WHERE retweets > 0 ORDER BY date, city, count;
.once anchor_uniqueusers.csv
SELECT city, date, users AS count FROM anchors ORDER BY date, city, count;
