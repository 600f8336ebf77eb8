-- A state directory's database as release 0.1.0 has left it when it was killed: one study is complete, the files of one
-- are getting their final names, one is open and held; of the commands one runs, one waits, one was given up.
BEGIN TRANSACTION;
CREATE TABLE clock (one INTEGER PRIMARY KEY CHECK (one = 1), now REAL NOT NULL);
INSERT INTO "clock" VALUES(1,153.0);
CREATE TABLE files (
    round INTEGER NOT NULL, name BLOB NOT NULL, letters TEXT NOT NULL, final BLOB NOT NULL,
    came REAL NOT NULL, PRIMARY KEY (round, name)
) WITHOUT ROWID;
INSERT INTO "files" VALUES(2,X'43542E312E322E31','CT',X'4354303030303031',80.0);
INSERT INTO "files" VALUES(2,X'43542E312E322E32','CT',X'4354303030303032',81.0);
INSERT INTO "files" VALUES(3,X'43542E312E332E31','CT',X'',150.0);
CREATE TABLE holds (
    round INTEGER NOT NULL, association TEXT NOT NULL, owner TEXT NOT NULL,
    PRIMARY KEY (round, association)
) WITHOUT ROWID;
INSERT INTO "holds" VALUES(3,'cccccccccccccccc','4711');
CREATE TABLE jobs (
    place INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    round INTEGER, details TEXT NOT NULL, due REAL NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL
);
INSERT INTO "jobs" VALUES(2,'00000000000000000000000000000000','study',1,'["archive #p", [["directory", "/data/incoming/s_1.1"], ["study", "1.1"], ["objects", "2"], ["round", "1"], ["calling", "CT1"], ["called", "ARCHIVE"], ["address", "127.0.0.1"]], ""]',71.5,1,1);
INSERT INTO "jobs" VALUES(3,'b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2','object',3,'["archive #p/#f", [["directory", "/data/incoming/s_1.3"], ["file", "CT.1.3.1"], ["status", "0000"], ["sop_class", "1.2.840.10008.5.1.4.1.1.2"], ["sop_instance", "1.3.1"], ["study", "1.3"], ["round", "1"], ["calling", "CT1"], ["called", "ARCHIVE"], ["address", "127.0.0.1"]], "exit status 1"]',150.0,2,6);
INSERT INTO "jobs" VALUES(4,'c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3','object',NULL,'["archive #p/#f", [["directory", "/data/incoming"], ["file", "CT.9.9"], ["status", "0000"], ["sop_class", "1.2.840.10008.5.1.4.1.1.2"], ["sop_instance", "9.9"], ["calling", "CT1"], ["called", "ARCHIVE"], ["address", "127.0.0.1"]], ""]',151.0,0,0);
CREATE TABLE rounds (
    key INTEGER PRIMARY KEY AUTOINCREMENT, study TEXT NOT NULL, number INTEGER NOT NULL,
    directory BLOB NOT NULL, token TEXT NOT NULL, last_object REAL NOT NULL, state INTEGER NOT NULL,
    objects INTEGER NOT NULL, cause TEXT NOT NULL, calling_ae_title TEXT NOT NULL,
    called_ae_title TEXT NOT NULL, calling_address TEXT NOT NULL
);
INSERT INTO "rounds" VALUES(1,'1.1',1,X'2F646174612F696E636F6D696E672F735F312E31','00000000000000000000000000000000',11.0,2,2,'timeout','CT1','ARCHIVE','127.0.0.1');
INSERT INTO "rounds" VALUES(2,'1.2',1,X'2F646174612F696E636F6D696E672F735F312E32','11111111111111111111111111111111',81.0,1,2,'timeout','CT1','ARCHIVE','127.0.0.1');
INSERT INTO "rounds" VALUES(3,'1.3',1,X'2F646174612F696E636F6D696E672F735F312E33','22222222222222222222222222222222',150.0,0,1,'','CT1','ARCHIVE','127.0.0.1');
CREATE INDEX rounds_of_study ON rounds (study, number);
CREATE INDEX open_rounds ON rounds (key) WHERE state = 0;
CREATE INDEX ending_rounds ON rounds (key) WHERE state = 1;
CREATE INDEX complete_rounds ON rounds (last_object) WHERE state = 2;
CREATE INDEX holds_of_association ON holds (association);
CREATE INDEX jobs_by_state ON jobs (state, place);
CREATE INDEX waiting_jobs ON jobs (due) WHERE state = 0;
CREATE INDEX jobs_of_round ON jobs (round);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('rounds',3);
INSERT INTO "sqlite_sequence" VALUES('jobs',4);
COMMIT;
PRAGMA user_version = 1;
