//! The genuine Ceilometer 9.0.7 (Pike) is the judge of what older collectors are sent.

use anyhow::Result;
use lab::Pike;
use nephoscope_tests::{Site, broker};

#[test]
fn starts() -> Result<()> {
    let vhost = broker().vhost()?;
    let site = Site::new()?;
    let pike = Pike::get()?;
    let collector = pike.collector(broker(), &vhost, &site.path("pike"), "")?;
    println!("{}", collector.log()?);
    collector.stop()?;
    let collector = pike.rpc_collector(broker(), &vhost, &site.path("rpc"), "")?;
    println!("{}", collector.log()?);
    collector.stop()
}
