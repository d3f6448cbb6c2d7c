//! Statistics, made by PostgreSQL.

use postgres::Row;
use postgres::error::SqlState;
use postgres::types::Type;

use super::fault::query_failed;
use super::moment::Moment;
use super::reader::PostgresReader;
use super::scan::which;
use crate::{Periods, StoreError, Tallied, Tally};

const ACTION: &str = "read the store";
/// What a sum of doubles may pass, where PostgreSQL refuses: a forged volume must not keep anybody from the statistics of a meter.
const RANGE: Option<&SqlState> = Some(&SqlState::NUMERIC_VALUE_OUT_OF_RANGE);

/// What volumes are summed up as.
#[derive(Clone, Copy)]
enum Sums {
    /// Doubles, which is fast.
    Double,
    /// Decimal numbers of any size, to 15 digits of each volume.
    Decimal,
}

pub(super) fn tally(
    reader: &mut PostgresReader,
    tallied: &Tallied<'_>,
    most: usize,
) -> Result<Vec<Tally>, StoreError> {
    let (series, groups): (Vec<i64>, Vec<i64>) =
        tallied.groups.iter().map(|(series, group)| (*series, i64::from(*group))).unzip();
    let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let params: [(&(dyn postgres::types::ToSql + Sync), Type); 3] =
        [(&series, Type::INT8_ARRAY), (&groups, Type::INT8_ARRAY), (&limit, Type::INT8)];
    reader.client()?.batch_execute("SAVEPOINT tally").map_err(query_failed(ACTION))?;
    let rows = match reader.client()?.query_typed(&select(tallied, Sums::Double), &params) {
        Err(error) if error.code() == RANGE => {
            // In a transaction that has failed nothing else can be said, not even for how long.
            reader.back_to("tally")?;
            reader.query(&select(tallied, Sums::Decimal), &params)?
        }
        other => other.map_err(query_failed(ACTION))?,
    };
    if rows.len() > most {
        return Err(StoreError::TooMany(most));
    }
    rows.iter().map(|row| tally_of(row, tallied.periods)).collect()
}

fn select(tallied: &Tallied<'_>, sums: Sums) -> String {
    let which = which(&tallied.path, tallied.range);
    let period = match tallied.periods {
        // The first one begins at the origin, which a time before it would not be counted to.
        Some(Periods { origin, length }) => {
            // Written as an interval's text, PostgreSQL 14 takes 32 bits of it.
            format!(
                "date_bin({length} * interval '1 microsecond', timestamp, {})",
                Moment::new(origin).literal()
            )
        }
        None => "NULL::timestamptz".into(),
    };
    let (amount, result) = match sums {
        Sums::Double => ("amount", "double precision"),
        Sums::Decimal => ("amount::numeric", "text"),
    };
    format!(
        "SELECT groups.id, {period}, count(*), min(amount), max(amount), min(timestamp), max(timestamp), \
         sum({amount})::{result}, (var_pop({amount}) * count(*))::{result} \
         FROM (SELECT series, timestamp, amount FROM sample WHERE {which} UNION ALL \
         SELECT series, timestamp, amount FROM sample_other WHERE {which}) AS samples \
         JOIN unnest($1, $2) AS groups (series, id) ON groups.series = samples.series GROUP BY 1, 2 LIMIT $3"
    )
}

fn tally_of(row: &Row, periods: Option<Periods>) -> Result<Tally, StoreError> {
    let damaged = || StoreError::Damaged("its statistics are of no group and period".into());
    let period = match (periods, row.get::<_, Option<Moment>>(1)) {
        (Some(Periods { origin, length }), Some(begin)) => {
            let periods = begin.micros().checked_sub(origin).and_then(|past| past.checked_div(length));
            periods.and_then(|period| u64::try_from(period).ok()).ok_or_else(damaged)?
        }
        _ => 0,
    };
    let micros = |place| row.get::<_, Moment>(place).micros();
    Ok(Tally {
        group: u32::try_from(row.get::<_, i64>(0)).map_err(|_| damaged())?,
        period,
        count: u64::try_from(row.get::<_, i64>(2)).map_err(|_| damaged())?,
        min: row.get(3),
        max: row.get(4),
        first: micros(5),
        last: micros(6),
        sum: sum(row, 7)?,
        squares: sum(row, 8)?,
    })
}

/// A double, or the one next to a decimal number, which is infinite where that has no double.
fn sum(row: &Row, place: usize) -> Result<f64, StoreError> {
    match row.try_get(place) {
        Ok(sum) => Ok(sum),
        Err(_) => row
            .get::<_, &str>(place)
            .parse()
            .map_err(|_| StoreError::Damaged("its statistics are no numbers".into())),
    }
}
