/**
 * Write Nephoscope pollsters in JavaScript or TypeScript: declare meters, read the instance, return samples.
 *
 *     import { definePollster, meter, sample } from "../sdk/index.js";
 *     import { inspect } from "nephoscope:meter/memory@0.1.0";
 *
 *     export const pollster = definePollster({
 *       meters: [meter.gauge("mem.max", "MiB", "Maximum memory of the instance")],
 *       poll: () => [sample("mem.max", Number(inspect().maximum) / 1048576)],
 *     });
 *
 * The readings are modules: those that the guest's world in `wit/world.wit` imports. Each of them needs a grant of its name in the
 * pipeline file, used or not.
 *
 * A reading that is missing throws. Let it pass: the runtime then skips the instance or reports it, as Ceilometer's pollsters do.
 */

export { History, grown } from "./history.js";
export { definePollster } from "./pollster.js";
export { diskResource, meter, sample, vnicMetadata, vnicResource } from "./sample.js";
