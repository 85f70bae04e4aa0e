/** What nodes tell each other of demand, and the plan that is made of it, through the store. */

/** Reports of queries by class (capacity/demand-report.ts), in base64. */
export const DEMAND_LOG = 'capacity/demand';
/** Some windows of a large cluster. */
export const REPORTS_MAX = 500;
/** The plan that is in force (capacity/plan-file.ts), in base64. */
export const PLAN_KEY = 'capacity/plan';
/** Who plans, and until when. */
export const PLAN_LEADER_KEY = 'capacity/planner';
