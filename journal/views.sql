-- Views for people. Nothing in pbt reads them; they hold no data and are made
-- anew whenever the journal's version changes.
--
-- A score that is not finite is recorded as the text 'NaN', '+Inf' or '-Inf'.
-- The views show NULL for it, so that min(), max() and ORDER BY score DESC do
-- what one expects, and the text in a column of its own.

-- Every decision, with its reason. The donor is whom the member copied or, where
-- the action is no copy, whom it was compared with.
CREATE VIEW decisions AS
SELECT seq,
       strftime('%Y-%m-%dT%H:%M:%fZ', at / 1e9, 'unixepoch') AS at,
       segment,
       member,
       json_extract(body, '$.turn')                   AS turn,
       json_extract(body, '$.decision.action')        AS action,
       json_extract(body, '$.decision.donor.member')  AS donor_member,
       json_extract(body, '$.decision.donor.segment') AS donor_segment,
       json_extract(body, '$.decision.donor.score')   AS donor_score,
       json_extract(body, '$.decision.why')           AS why,
       json_extract(body, '$.decision.say')           AS say,
       json_extract(body, '$.parent')                 AS parent,
       json_extract(body, '$.start')                  AS start,
       json_extract(body, '$.steps')                  AS steps,
       json_extract(body, '$.hypers')                 AS hypers
FROM events
WHERE kind = 'decided';

-- Every attempt that did not end in an outcome. final is 1 where no retry is left.
CREATE VIEW failures AS
SELECT seq,
       strftime('%Y-%m-%dT%H:%M:%fZ', at / 1e9, 'unixepoch') AS at,
       segment,
       member,
       json_extract(body, '$.attempt') AS attempt,
       json_extract(body, '$.lease')   AS lease,
       json_extract(body, '$.kind')    AS kind,
       json_extract(body, '$.error')   AS error,
       ifnull(json_extract(body, '$.final'), 0) AS final
FROM events
WHERE kind = 'failed';

-- One row per segment: what was decided, and what came of it. Where a segment
-- was tried more than once, worker, leased_at and seconds are of the last try.
-- One that has no outcome, and after which its member was given another or was
-- retired, is dropped: its weights were lost, or somebody wanted something else.
CREATE VIEW segments AS
WITH newest AS (
    SELECT segment,
           max(CASE kind WHEN 'decided'  THEN seq END) AS decided,
           max(CASE kind WHEN 'leased'   THEN seq END) AS leased,
           max(CASE kind WHEN 'finished' THEN seq END) AS finished,
           max(CASE kind WHEN 'failed'   THEN seq END) AS failed,
           sum(kind = 'leased') AS tries
    FROM events
    WHERE kind IN ('decided', 'leased', 'finished', 'failed')
    GROUP BY segment
),
plans AS (
    SELECT member, max(seq) AS newest
    FROM events
    WHERE kind = 'decided' OR kind = 'member_done' AND json_extract(body, '$.reason') = 'retired'
    GROUP BY member
)
SELECT n.segment,
       d.member,
       json_extract(d.body, '$.turn')   AS turn,
       json_extract(d.body, '$.parent') AS parent,
       CASE
           WHEN n.finished IS NOT NULL           THEN 'finished'
           WHEN json_extract(x.body, '$.final')  THEN 'failed'
           WHEN p.newest > n.decided             THEN 'dropped'
           WHEN n.failed > ifnull(n.leased, 0)   THEN 'failed'
           WHEN n.leased IS NOT NULL             THEN 'running'
           ELSE 'waiting'
       END AS state,
       json_extract(d.body, '$.start')  AS start,
       json_extract(d.body, '$.steps')  AS steps,
       json_extract(d.body, '$.hypers') AS hypers,
       json_extract(d.body, '$.decision.action') AS action,
       CASE WHEN json_type(f.body, '$.score') <> 'text' THEN json_extract(f.body, '$.score') END AS score,
       CASE WHEN json_type(f.body, '$.score') =  'text' THEN json_extract(f.body, '$.score') END AS nonfinite,
       json_extract(f.body, '$.step')             AS step,
       json_extract(f.body, '$.spent')            AS spent,
       json_extract(f.body, '$.metrics')          AS metrics,
       json_extract(f.body, '$.checkpoint.id')    AS checkpoint,
       json_extract(f.body, '$.checkpoint.bytes') AS checkpoint_bytes,
       n.tries,
       json_extract(l.body, '$.worker')           AS worker,
       strftime('%Y-%m-%dT%H:%M:%fZ', d.at / 1e9, 'unixepoch') AS decided_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', l.at / 1e9, 'unixepoch') AS leased_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', f.at / 1e9, 'unixepoch') AS finished_at,
       round((f.at - l.at) / 1e9, 3) AS seconds
FROM newest AS n
JOIN events AS d ON d.seq = n.decided
JOIN plans AS p ON p.member = d.member
LEFT JOIN events AS l ON l.seq = n.leased
LEFT JOIN events AS f ON f.seq = n.finished
LEFT JOIN events AS x ON x.seq = n.failed;

-- The learned schedule: for each member, the hyperparameters on the path from
-- the root to its newest finished segment, one row per hyperparameter. The
-- weights a member holds today went through these stretches of training,
-- whoever did them (trained_by). "LIMIT -1" limits nothing; it keeps SQLite from
-- dissolving the subquery and then searching all events at every step of a path.
CREATE VIEW schedule AS
WITH RECURSIVE
decided AS (
    SELECT segment,
           member,
           json_extract(body, '$.parent') AS parent,
           json_extract(body, '$.start')  AS start,
           json_extract(body, '$.steps')  AS steps,
           json_extract(body, '$.hypers') AS hypers
    FROM events
    WHERE kind = 'decided'
    LIMIT -1
),
held AS (
    SELECT member, max(segment) AS segment
    FROM events
    WHERE kind = 'finished'
    GROUP BY member
    LIMIT -1
),
path (member, segment, parent, trained_by, start, steps, hypers) AS (
    SELECT h.member, d.segment, d.parent, d.member, d.start, d.steps, d.hypers
    FROM held AS h
    JOIN decided AS d ON d.segment = h.segment
    UNION ALL
    SELECT p.member, d.segment, d.parent, d.member, d.start, d.steps, d.hypers
    FROM path AS p
    JOIN decided AS d ON d.segment = p.parent
)
SELECT p.member,
       p.segment,
       p.trained_by,
       p.start,
       p.start + p.steps AS stop,
       h.key   AS hyper,
       h.value AS value
FROM path AS p, json_each(p.hypers) AS h
ORDER BY p.member, p.start, h.key;
