// Where the tasks of a small graph stand: in columns, each right of all it depends on. Ways
// that pass columns get places there too, so that no line runs through a task.

const BOX = { width: 184, height: 38, gap: 14, between: 64, pass: 10 };

/** Return places of tasks and ways between them: {tasks: Map, ways: [], width, height}. */
function layOut(tasks) {
  const inside = new Set(tasks);
  const level = new Map();
  const edges = [];
  for (const task of tasks) {
    let deepest = -1;
    for (const other of before(task)) {
      if (!inside.has(other)) continue;
      edges.push([other, task]);
      deepest = Math.max(deepest, level.get(other));
    }
    level.set(task, deepest + 1);
  }
  const columns = [];
  const items = new Map();
  function put(task, column) {
    const item = { task, column, left: [], right: [], y: 0, half: (task < 0 ? BOX.pass : BOX.height + BOX.gap) / 2 };
    (columns[column] ??= []).push(item);
    return item;
  }
  for (const task of tasks) items.set(task, put(task, level.get(task)));
  const passes = edges.reduce((sum, [one, other]) => sum + level.get(other) - level.get(one) - 1, 0);
  const chains = edges.map(([one, other]) => {
    const chain = [items.get(one)];
    if (passes <= 4000) {
      for (let column = level.get(one) + 1; column < level.get(other); column++) chain.push(put(-1, column));
    }
    chain.push(items.get(other));
    for (let place = 1; place < chain.length; place++) {
      chain[place - 1].right.push(chain[place]);
      chain[place].left.push(chain[place - 1]);
    }
    return chain;
  });
  untangle(columns);
  straighten(columns);
  return finished(columns, items, chains);
}

/** Order each column by where what it is joined to stands, to and fro. */
function untangle(columns) {
  const number = (column) => column.forEach((item, place) => (item.place = place / Math.max(column.length, 1)));
  columns.forEach(number);
  for (let sweep = 0; sweep < 12; sweep++) {
    const isForward = sweep % 2 === 0;
    const turn = isForward ? columns : columns.slice().reverse();
    for (const column of turn) {
      for (const item of column) {
        const near = isForward ? item.left : item.right;
        item.wish = near.length ? near.reduce((sum, other) => sum + other.place, 0) / near.length : item.place;
      }
      column.sort((one, other) => one.wish - other.wish);
      number(column);
    }
  }
}

/** Move each item as near as its column allows to the middle of what it is joined to. */
function straighten(columns) {
  for (const column of columns) {
    let y = 0;
    for (const item of column) {
      item.y = y + item.half;
      y += 2 * item.half;
    }
    for (const item of column) item.y -= y / 2;
  }
  for (let sweep = 0; sweep < 16; sweep++) {
    const turn = sweep % 2 ? columns.slice().reverse() : columns;
    for (const column of turn) {
      settle(column, column.map((item) => {
        const near = sweep < 12 ? (sweep % 2 ? item.right : item.left) : [...item.left, ...item.right];
        return near.length ? near.reduce((sum, other) => sum + other.y, 0) / near.length : item.y;
      }));
    }
  }
}

/** Give a column places nearest to wishes that keep order and distance. */
function settle(column, wishes) {
  const blocks = []; // neighbours that touch: they move together
  let offset = 0;
  column.forEach((item, place) => {
    if (place) offset += column[place - 1].half + item.half;
    item.offset = offset;
    let block = { sum: wishes[place] - offset, count: 1, items: [item] };
    while (blocks.length && blocks.at(-1).sum / blocks.at(-1).count > block.sum / block.count) {
      const last = blocks.pop();
      last.items.push(...block.items);
      block = { sum: last.sum + block.sum, count: last.count + block.count, items: last.items };
    }
    blocks.push(block);
  });
  for (const block of blocks) {
    for (const item of block.items) item.y = block.sum / block.count + item.offset;
  }
}

function finished(columns, items, chains) {
  let top = Infinity;
  let bottom = -Infinity;
  for (const item of columns.flat()) {
    top = Math.min(top, item.y - item.half);
    bottom = Math.max(bottom, item.y + item.half);
  }
  const x = (item) => 12 + item.column * (BOX.width + BOX.between);
  const y = (item) => item.y - top + 6;
  const places = new Map();
  for (const [task, item] of items) places.set(task, { x: x(item), y: y(item) - BOX.height / 2, column: item.column });
  const ways = chains.map((chain) => {
    let way = `M${x(chain[0]) + BOX.width},${y(chain[0]).toFixed(1)}`;
    for (let place = 1; place < chain.length; place++) {
      const from = x(chain[place - 1]) + BOX.width;
      const to = x(chain[place]);
      const bend = (to - from) / 2;
      way += `C${from + bend},${y(chain[place - 1]).toFixed(1)} ${to - bend},${y(chain[place]).toFixed(1)} ${to},${y(chain[place]).toFixed(1)}`;
      if (chain[place].task < 0) way += `h${BOX.width}`;
    }
    return { from: chain[0].task, to: chain.at(-1).task, way };
  });
  return { places, ways, width: x({ column: columns.length - 1 }) + BOX.width + 12, height: bottom - top + 12 };
}
