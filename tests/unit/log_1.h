/* SPDX-License-Identifier: Apache-2.0 */
/* A log of version 1, as the first release of the daemon wrote it. */
#pragma once

static const char *const log_1_schema =
#include "storage/sql/log_1.inc"
    ;

static const char *const log_1_identity =
    "PRAGMA application_id = 0x656d6264; PRAGMA user_version = 1;";

static const char *const log_1_rows =
    "INSERT INTO log VALUES(1,1,1795408738587413,-2969677173579786039,'{\"checksum\":"
    "\"fedcba9876543210\",\"ctime_ns\":6,\"device\":2049,\"file\":\"/srv/file.safeten"
    "sors\",\"generation\":1,\"inode\":77,\"mtime_ns\":5,\"name\":\"ads\",\"options\""
    ":{\"memory\":\"map\"},\"registered_by\":\"call\",\"size\":4096,\"version\":7}');\n"
    "INSERT INTO log VALUES(2,1,1795408738588341,-845702774828650670,'{\"checksum\":\""
    "fedcba9876543210\",\"ctime_ns\":6,\"device\":2049,\"file\":\"/srv/file.safetenso"
    "rs\",\"generation\":1,\"inode\":77,\"mtime_ns\":5,\"name\":\"users\",\"options\""
    ":{\"memory\":\"map\"},\"registered_by\":\"call\",\"size\":4096,\"version\":7}');\n"
    "INSERT INTO log VALUES(3,2,1795408738590321,-8592406991612713714,'{\"checksum\":"
    "\"0000000000000003\",\"ctime_ns\":6,\"device\":2049,\"file\":\"/srv/\\\"ads\\\"\\"
    "n\xc3\xa4"
    "\",\"generation\":1,\"inode\":77,\"mtime_ns\":-1,\"name\":\"ads\",\"o"
    "ptions\":{\"memory\":\"copy\"},\"registered_by\":\"configuration\",\"size\":4096"
    ",\"version\":-1}');\n"
    "INSERT INTO log VALUES(4,1,1795408738590598,-3976463190866958075,'{\"checksum\":"
    "\"fedcba9876543210\",\"ctime_ns\":6,\"device\":2049,\"file\":\"/srv/file.safeten"
    "sors\",\"generation\":1,\"inode\":77,\"mtime_ns\":5,\"name\":\"words\",\"options"
    "\":{\"memory\":\"map\"},\"registered_by\":\"call\",\"size\":4096,\"version\":7}'"
    ");\n"
    "INSERT INTO log VALUES(5,3,1795408738590862,875855332730813738,'{\"checksum\":\""
    "fedcba9876543210\",\"ctime_ns\":6,\"device\":2049,\"file\":\"/srv/file.safetenso"
    "rs\",\"generation\":1,\"inode\":77,\"mtime_ns\":5,\"name\":\"words\",\"options\""
    ":{\"memory\":\"map\"},\"registered_by\":\"call\",\"size\":4096,\"version\":7}');\n"
    "INSERT INTO log VALUES(6,1,1795408738591422,-4934747197079012855,'{\"checksum\":"
    "\"fedcba9876543210\",\"ctime_ns\":6,\"device\":2049,\"file\":\"/srv/file.safeten"
    "sors\",\"generation\":2,\"inode\":77,\"mtime_ns\":5,\"name\":\"words\",\"options"
    "\":{\"memory\":\"map\"},\"registered_by\":\"call\",\"size\":4096,\"version\":7}'"
    ");\n"
    "INSERT INTO log VALUES(7,5,1795408738593233,-3246248690240422505,'{\"checksum\":"
    "\"fedcba9876543210\",\"ctime_ns\":6,\"device\":2049,\"file\":\"/srv/file.safeten"
    "sors\",\"generation\":1,\"inode\":77,\"mtime_ns\":5,\"name\":\"users\",\"options"
    "\":{\"memory\":\"map\"},\"registered_by\":\"call\",\"size\":4096,\"version\":7}'"
    ");\n"
    "INSERT INTO log VALUES(8,1,1795408738593533,8460233923274153676,'{\"checksum\":\""
    "fedcba9876543210\",\"ctime_ns\":6,\"device\":2049,\"file\":\"/srv/file.safetenso"
    "rs\",\"generation\":1,\"inode\":77,\"mtime_ns\":5,\"name\":\"gone\",\"options\":"
    "{\"memory\":\"map\"},\"registered_by\":\"call\",\"size\":4096,\"version\":7}');\n"
    "INSERT INTO log VALUES(9,4,1795408738593742,-2238003723280536821,'{\"checksum\":"
    "\"fedcba9876543210\",\"ctime_ns\":6,\"device\":2049,\"file\":\"/srv/file.safeten"
    "sors\",\"generation\":1,\"inode\":77,\"mtime_ns\":5,\"name\":\"gone\",\"options\""
    ":{\"memory\":\"map\"},\"registered_by\":\"call\",\"size\":4096,\"version\":7}');\n"
    "INSERT INTO tables VALUES('ads',1,3,1795408738590321,1,-1,0,replace('/srv/\"ads\""
    "\\n\xc3\xa4"
    "','\\n',char(10)),'{\"memory\": \"copy\"}',2049,77,4096,-1,6,3);\n"
    "INSERT INTO tables VALUES('gone',3,9,1795408738593742,1,7,1,'/srv/file.safetenso"
    "rs','{\"memory\":\"map\"}',2049,77,4096,5,6,-81985529216486896);\n"
    "INSERT INTO tables VALUES('users',1,7,1795408738593233,1,7,1,'/srv/file.safetens"
    "ors','{\"memory\":\"map\"}',2049,77,4096,5,6,-81985529216486896);\n"
    "INSERT INTO tables VALUES('words',1,6,1795408738591422,2,7,1,'/srv/file.safetens"
    "ors','{\"memory\":\"map\"}',2049,77,4096,5,6,-81985529216486896);\n"
    "INSERT INTO files VALUES(1,1,2,3,4,5,6,-1022809730873835624);\n";

static const char *const log_1_mark =
    "lsn 00000000000000000009 row e0f103789bdcab0b checksum daf2514242bb7646\n";
