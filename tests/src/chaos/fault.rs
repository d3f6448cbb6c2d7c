//! What happens to a world, for a random time.

use std::fmt;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use super::world::{Setting, World};

/// A small generator of its own, so that a run can be had again from its seed (xorshift64).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The same numbers for the same seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below this one.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least))
    }
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The agent is killed and started again.
    KillAgent,
    /// The broker is.
    KillBroker,
    /// The collector is.
    KillCollector,
    /// The broker stands still.
    PauseBroker,
    /// The agent is killed while the broker is away.
    KillAgentWithoutBroker,
    /// The broker is killed with messages in its queue, for the collector is dead.
    KillBrokerWithMessages,
    /// Connections are cut.
    Cut,
    /// A message arrives half, and then nothing.
    Halve,
    /// Everything takes longer.
    Delay,
    /// Nothing passes, and nobody says so.
    Stall,
    /// The spool's disk is full.
    FullSpool,
    /// The store's disk is full.
    FullStore,
    /// A node of the cluster is killed: the one that leads the queue, or another.
    KillNode,
    /// Two nodes of three are: the third takes messages, and confirms none.
    LoseMajority,
}

impl Fault {
    /// The faults of a world of this kind.
    pub const fn of(setting: Setting) -> &'static [Fault] {
        match setting {
            Setting::Single => &[
                Self::KillAgent,
                Self::KillBroker,
                Self::KillCollector,
                Self::PauseBroker,
                Self::KillAgentWithoutBroker,
                Self::KillBrokerWithMessages,
                Self::Cut,
                Self::Halve,
                Self::Delay,
                Self::Stall,
            ],
            Setting::SmallDisks => &[Self::FullSpool, Self::FullStore, Self::KillAgent, Self::KillCollector],
            Setting::Cluster => &[Self::KillNode, Self::LoseMajority, Self::KillAgent, Self::KillCollector],
        }
    }

    /// Lets it happen and end. What was taken may still be on its way then.
    ///
    /// # Errors
    /// Something that was to go on does not.
    pub fn happen(self, world: &mut World) -> Result<()> {
        // At a random moment of what goes on.
        sleep(world.chance.millis(50, 600));
        match self {
            Self::KillAgent => {
                for _ in 0..3 {
                    world.kill_agent()?;
                    sleep(world.chance.millis(0, 300));
                    world.start_agent()?;
                    sleep(world.chance.millis(100, 1_500));
                }
            }
            Self::KillCollector => {
                for _ in 0..3 {
                    world.kill_collector()?;
                    sleep(world.chance.millis(0, 500));
                    world.start_collector()?;
                    sleep(world.chance.millis(100, 1_500));
                }
            }
            Self::KillBroker => {
                world.broker()?.kill();
                sleep(world.chance.millis(100, 2_000));
                world.broker()?.start_again()?;
            }
            Self::KillAgentWithoutBroker => {
                world.broker()?.kill();
                sleep(world.chance.millis(500, 2_000));
                world.kill_agent()?;
                world.start_agent()?;
                sleep(world.chance.millis(500, 2_000));
                world.broker()?.start_again()?;
            }
            Self::KillBrokerWithMessages => {
                world.kill_collector()?;
                sleep(world.chance.millis(500, 2_000));
                world.broker()?.kill();
                sleep(world.chance.millis(100, 1_000));
                world.broker()?.start_again()?;
                world.start_collector()?;
            }
            Self::PauseBroker => {
                world.broker()?.pause()?;
                // Longer than the publisher waits for a confirmation, half of the times.
                sleep(world.chance.millis(500, 6_000));
                world.broker()?.resume();
            }
            Self::Cut => {
                for _ in 0..5 {
                    let at = world.chance.below(2) as usize;
                    world.proxies[at].cut();
                    sleep(world.chance.millis(50, 1_000));
                }
            }
            Self::Halve => {
                for _ in 0..3 {
                    let at = world.chance.below(2) as usize;
                    world.proxies[at].halve();
                    sleep(world.chance.millis(200, 1_500));
                }
            }
            Self::Delay => {
                let delay = world.chance.millis(20, 400);
                world.proxies.iter().for_each(|proxy| proxy.delay(delay));
                sleep(world.chance.millis(1_000, 4_000));
                world.proxies.iter().for_each(|proxy| proxy.delay(Duration::ZERO));
            }
            Self::Stall => {
                let at = world.chance.below(2) as usize;
                world.proxies[at].stall(true);
                sleep(world.chance.millis(1_000, 8_000));
                world.proxies[at].stall(false);
            }
            Self::FullSpool | Self::FullStore => {
                let at = usize::from(self == Self::FullStore);
                world.disk(at)?.fill()?;
                sleep(world.chance.millis(1_000, 5_000));
                world.disk(at)?.free()?;
            }
            Self::KillNode => {
                let node = world.chance.below(3) as usize;
                let time = world.chance.millis(1_000, 6_000);
                let cluster = world.cluster()?;
                cluster.kill(node)?;
                sleep(time);
                cluster.start_again(node)?;
            }
            Self::LoseMajority => {
                let kept = world.chance.below(3) as usize;
                let time = world.chance.millis(2_000, 8_000);
                let cluster = world.cluster()?;
                let others = || (0..3).filter(|node| *node != kept);
                others().try_for_each(|node| cluster.kill(node))?;
                sleep(time);
                others().try_for_each(|node| cluster.start_again(node))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::KillAgent => "agent killed, three times",
            Self::KillBroker => "broker killed",
            Self::KillCollector => "collector killed, three times",
            Self::PauseBroker => "broker stopped (SIGSTOP)",
            Self::KillAgentWithoutBroker => "broker killed, then the agent",
            Self::KillBrokerWithMessages => "collector killed, then the broker",
            Self::Cut => "connections cut",
            Self::Halve => "messages halved",
            Self::Delay => "network slow",
            Self::Stall => "network silent",
            Self::FullSpool => "spool's disk full",
            Self::FullStore => "store's disk full",
            Self::KillNode => "node of the cluster killed",
            Self::LoseMajority => "two nodes of the cluster killed",
        })
    }
}
