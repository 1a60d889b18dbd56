// Runs SQL in DuckDB and says what it cost.
//
//     node duckdb.mjs FOLDER        FOLDER/node_modules has @duckdb/node-api
//
// Standard input is a JSON list of [SQL, rounds]; standard output is a JSON list of the same length:
// {rows, cpu_s, wall_s}, the rows of the last round, and times of each. One thread.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { DuckDBInstance, version } = createRequire(`${process.argv[2]}/`)("@duckdb/node-api");
const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
const connection = await instance.connect();
const done = [];

for (const [sql, rounds] of JSON.parse(readFileSync(0, "utf8"))) {
	const cost = { cpu_s: [], wall_s: [] };
	for (let i = 0; i < rounds; i++) {
		const cpu = process.cpuUsage();
		const wall = performance.now();
		const reader = await connection.runAndReadAll(sql);
		const used = process.cpuUsage(cpu);
		cost.wall_s.push((performance.now() - wall) / 1e3);
		cost.cpu_s.push((used.user + used.system) / 1e6);
		cost.rows = reader.getRowsJson();
	}
	done.push(cost);
}
console.log(JSON.stringify({ version: version(), done }));
