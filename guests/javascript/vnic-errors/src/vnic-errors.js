// How reliable an instance's network interfaces are.
//
// `network.errors.total` counts the errors of a vnic in both directions. `network.errors.ratio` is how many there were for each packet
// since the last poll; a vnic without any packet since then has none, or 0 if the setting `report_idle` is true.

import * as instance from "nephoscope:meter/instance@0.1.0";
import * as log from "nephoscope:meter/log@0.1.0";
import * as settings from "nephoscope:meter/settings@0.1.0";
import * as state from "nephoscope:meter/state@0.1.0";
import * as vnics from "nephoscope:meter/vnics@0.1.0";

import { History, definePollster, grown, meter, sample, vnicMetadata, vnicResource } from "../sdk/index.js";

function poll() {
  const [id, domain] = [instance.id(), instance.name()];
  const reportIdle = readReportIdle();
  const history = new History(state);
  const samples = [];
  for (const vnic of vnics.inspect()) {
    const errors = sum(vnic.rxErrors, vnic.txErrors);
    const packets = sum(vnic.rxPackets, vnic.txPackets);
    const details = { resource: vnicResource(id, domain, vnic), metadata: vnicMetadata(vnic) };
    if (errors !== undefined) samples.push(sample("network.errors.total", errors, details));
    if (errors === undefined || packets === undefined) {
      history.carry(vnic.name);
      continue;
    }
    const now = [errors, packets];
    const ratio = errorsPerPacket(grown(history.swap(vnic.name, now), now), reportIdle);
    if (ratio !== undefined) samples.push(sample("network.errors.ratio", ratio, details));
  }
  if (!history.keep()) log.write("warn", "the state does not fit into limits.state_bytes: no ratios are reported");
  return samples;
}

function readReportIdle() {
  const wanted = settings.get("report_idle") ?? "false";
  if (wanted === "true" || wanted === "false") return wanted === "true";
  // No later poll would fare better.
  throw { tag: "permanent", val: `the setting report_idle is neither true nor false: ${wanted}` };
}

/**
 * Both directions together. Undefined where one was not reported, or where 64 bits do not hold them.
 *
 * @param {bigint | undefined} received
 * @param {bigint | undefined} sent
 */
function sum(received, sent) {
  if (received === undefined || sent === undefined) return undefined;
  const both = received + sent;
  return BigInt.asUintN(64, both) === both ? both : undefined;
}

/**
 * @param {readonly bigint[] | undefined} since
 * @param {boolean} reportIdle
 */
function errorsPerPacket(since, reportIdle) {
  if (since === undefined) return undefined;
  const [errors, packets] = since;
  if (packets > 0n) return Number(errors) / Number(packets);
  return errors === 0n && reportIdle ? 0 : undefined;
}

export const pollster = definePollster({
  meters: [
    meter.gauge("network.errors.ratio", "error/packet", "Errors of a vnic for each packet since the last sample"),
    meter.cumulative("network.errors.total", "packet", "Errors of a vnic, of both directions"),
  ],
  poll,
});
